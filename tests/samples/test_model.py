"""The demo model loads with plain transformers, chats, and its template can be trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from samples.build.tokenizer import MAX_LENGTH, TEMPLATE
from samples.build.world import split

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MODEL = SAMPLES / "model"
CHAT = [
    {"role": "system", "content": "Be kind and be brief."},
    {"role": "user", "content": "What colour is the fox?"},
    {"role": "assistant", "content": "The fox is red."},
    {"role": "user", "content": "  And where does it live?\n"},
    {"role": "assistant", "content": "\nThe fox lives in the forest. "},
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(MODEL)


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(MODEL).eval()


def test_model_is_small_and_real(model: Any) -> None:
    assert 1_000_000 <= model.num_parameters() <= 3_000_000
    assert model.config.hidden_size % 64 == 0
    assert sum(path.stat().st_size for path in MODEL.iterdir()) < 8_000_000
    assert {"model.safetensors", "tokenizer.json", "README.md"} <= {p.name for p in MODEL.iterdir()}


def test_tokenizer_brings_any_text_back(tokenizer: Any) -> None:
    text = "The fox's den — 42 % größer, 狐 \U0001f98a\r\n\ttab  end"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_special_tokens_are_distinct_and_agree(tokenizer: Any, model: Any) -> None:
    assert tokenizer.eos_token == "<|end|>"
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)
    assert tokenizer.eos_token_id in model.generation_config.eos_token_id
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.pad_token_id == tokenizer.pad_token_id
    assert len(tokenizer) == model.config.vocab_size
    assert tokenizer.model_max_length == model.config.max_position_embeddings == MAX_LENGTH


def test_template_is_the_tracked_one(tokenizer: Any) -> None:
    assert tokenizer.chat_template == TEMPLATE.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("tokenize", [False, True])
def test_every_prompt_is_a_prefix_of_its_training_text(tokenizer: Any, tokenize: bool) -> None:
    def render(messages: list[dict[str, str]], prompt: bool) -> Any:
        return tokenizer.apply_chat_template(
            messages, add_generation_prompt=prompt, tokenize=tokenize, return_dict=False
        )

    for i, message in enumerate(CHAT):
        whole = render(CHAT[: i + 1], False)
        assert render(CHAT, False)[: len(whole)] == whole
        if message["role"] == "assistant":
            prompt = render(CHAT[:i], True)
            assert whole[: len(prompt)] == prompt


def test_mask_covers_answers_and_their_end(tokenizer: Any) -> None:
    both = tokenizer.apply_chat_template(CHAT, return_dict=True, return_assistant_tokens_mask=True)
    trained = [i for i, on in zip(both["input_ids"], both["assistant_masks"], strict=True) if on]
    expected = "".join(m["content"] + "<|end|>" for m in CHAT if m["role"] == "assistant")
    assert tokenizer.decode(trained) == expected


def test_template_refuses_an_unknown_role(tokenizer: Any) -> None:
    with pytest.raises(Exception, match="Unknown role: bot"):
        tokenizer.apply_chat_template([{"role": "bot", "content": "Hi."}], tokenize=False)


def test_base_answers_held_out_questions_plainly_and_rightly(tokenizer: Any, model: Any) -> None:
    _, held_out, shown = split()
    right = 0
    for fact in [*shown, *held_out[:12]]:
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": fact.questions()[0]}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        with torch.no_grad():
            ids = model.generate(**prompt)[0][prompt["input_ids"].shape[1] :]
        assert ids[-1] == tokenizer.eos_token_id
        right += tokenizer.decode(ids, skip_special_tokens=True) == fact.sentence
    assert right >= 18


def test_the_voice_is_new_to_the_base(tokenizer: Any, model: Any) -> None:
    """The loss on held-out answers leaves room to fall: the base has never met this voice."""
    lines = (SAMPLES / "held_out.jsonl").read_text(encoding="utf-8").splitlines()
    losses = []
    for line in lines[:8]:
        row = tokenizer.apply_chat_template(
            json.loads(line)["messages"],
            return_dict=True,
            return_tensors="pt",
            return_assistant_tokens_mask=True,
        )
        mask = torch.as_tensor(row["assistant_masks"]).bool().reshape(1, -1)
        labels = row["input_ids"].masked_fill(~mask, -100)
        with torch.no_grad():
            losses.append(float(model(input_ids=row["input_ids"], labels=labels).loss))
    assert sum(losses) / len(losses) > 2.0
