"""Pretrains the demo model from nothing and writes it to samples/model/.

    python -m samples.build.make_model

The same machine and library versions give the same weights. Prints the loss as it goes.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from pathlib import Path

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from samples.build.corpus import Document, documents, text_of
from samples.build.tokenizer import DOCUMENT, END, MAX_LENGTH, PAD, learn_tokenizer
from samples.build.world import SEED

MODEL = Path(__file__).resolve().parent.parent / "model"
EPOCHS = 2
TOKENS_PER_BATCH = 2048
LEARNING_RATE = 2.5e-3
WARMUP_STEPS = 50
HELD_BACK = 500
"""Documents kept out of training, to measure the loss on unseen text."""


def main() -> None:
    """Learn the tokenizer, pretrain, save."""
    parser = argparse.ArgumentParser(description="Pretrain the demo model.")
    parser.add_argument("--out", type=Path, default=MODEL)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    started = time.monotonic()

    corpus = list(documents())
    tokenizer = learn_tokenizer(text_of(document) for document in corpus)
    rows = encode(corpus, tokenizer)
    train, unseen = rows[HELD_BACK:], rows[:HELD_BACK]
    model = Qwen2ForCausalLM(_config(tokenizer))
    print(
        f"{len(corpus)} documents, {sum(map(len, rows))} tokens, vocabulary {len(tokenizer)}, "
        f"{model.num_parameters() / 1e6:.2f} M parameters",
        flush=True,
    )
    pretrain(model, train, started)
    print(f"loss on {HELD_BACK} unseen documents: {loss_on(model, unseen):.4f}")

    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.convert_tokens_to_ids([END, DOCUMENT]),
        pad_token_id=tokenizer.pad_token_id,
        max_new_tokens=64,
        do_sample=False,
    )
    model.save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    print(f"wrote {args.out} after {time.monotonic() - started:.0f} s")


def encode(corpus: list[Document], tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    """Token ids per document: a text ends with DOCUMENT, a chat is rendered by the template."""
    texts = [
        document + DOCUMENT
        if isinstance(document, str)
        else str(tokenizer.apply_chat_template(document, tokenize=False))
        for document in corpus
    ]
    return [ids[:MAX_LENGTH] for ids in tokenizer(texts)["input_ids"]]


def pretrain(model: Qwen2ForCausalLM, rows: list[list[int]], started: float) -> None:
    """AdamW with warm-up and cosine decay over EPOCHS passes; every token is trained."""
    rng = random.Random(SEED)
    epochs = [batches(rows, rng) for _ in range(EPOCHS)]
    plan = [batch for epoch in epochs for batch in epoch]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: (
            min(1.0, (step + 1) / WARMUP_STEPS)
            * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / len(plan))))
        ),
    )
    model.train()
    for step, batch in enumerate(plan):
        loss = _loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 100 == 0 or step == len(plan) - 1:
            elapsed_s = time.monotonic() - started
            print(f"step {step}/{len(plan)} loss {loss.item():.4f} {elapsed_s:.0f} s", flush=True)
    model.eval()


def batches(rows: list[list[int]], rng: random.Random) -> list[list[list[int]]]:
    """Rows of like length together, about TOKENS_PER_BATCH each, in random order."""
    shuffled = rng.sample(rows, len(rows))
    shuffled.sort(key=len)
    made: list[list[list[int]]] = [[]]
    for row in shuffled:
        if made[-1] and (len(made[-1]) + 1) * len(row) > TOKENS_PER_BATCH:
            made.append([])
        made[-1].append(row)
    rng.shuffle(made)
    return made


def loss_on(model: Qwen2ForCausalLM, rows: list[list[int]]) -> float:
    """Mean cross-entropy per batch, in nats per token, over rows that were not trained on."""
    with torch.no_grad():
        losses = [float(_loss(model, batch)) for batch in batches(rows, random.Random(SEED))]
    return sum(losses) / len(losses)


def _loss(model: Qwen2ForCausalLM, batch: list[list[int]]) -> Tensor:
    width = max(map(len, batch))
    pad = model.config.pad_token_id
    # Padding lies on the right of causal attention, so no attention mask is needed.
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in batch])
    logits = model(input_ids=ids).logits[:, :-1]
    targets = ids[:, 1:].masked_fill(ids[:, 1:] == pad, -100)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def _config(tokenizer: PreTrainedTokenizerFast) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=len(tokenizer),
        # Rows of 256 values: 4-bit blocks of 64 and llama.cpp's blocks of 256 both fit.
        hidden_size=256,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
        bos_token_id=None,
    )


if __name__ == "__main__":
    main()
