"""Labels are where the assistant speaks, as TRL itself would set them, in every family."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trl
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from trl import SFTConfig, SFTTrainer

from engine.data.rows import Message, Row
from engine.errors import TailfinError
from engine.worker.template import render_template
from engine.worker.token_checks import check_tokens
from engine.worker.tokens import TokenRow, tokenise_rows
from tests.worker.tiny_tokenizer import byte_tokenizer, metaspace_tokenizer

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
FAMILIES = (
    "qwen2_5",
    "qwen3",
    "qwen3_instruct_2507",
    "llama3",
    "gemma",
    "gemma3",
    "phi3",
    "cohere",
)
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + '<|im_end|>' }}"
    "{% endgeneration %}{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def family(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


def without_markers(template: str) -> str:
    return re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", template)


def row(*contents: str, system: str = "", record: int = 0) -> Row:
    roles = ("user", "assistant")
    messages = [Message("system", system)] if system else []
    messages += [Message(roles[i % 2], text) for i, text in enumerate(contents)]  # type: ignore[arg-type]
    return Row(tuple(messages), record, record + 1)


ROWS = [
    row("What is the capital of France?", "It is Paris.", record=0),
    row("Hello", " Hello there! \U0001f600", "Say", "\u4f60\u597d", "Bye", "Bye.", record=1),
    row("a\n\nb", "1\n2\n\n3", record=2),
]


def tokens(tokenizer: Any, choice: str = "auto", rows: Sequence[Row] = ROWS) -> list[TokenRow]:
    return tokenise_rows(rows, tokenizer, render_template(tokenizer, choice))


def trained(tokenizer: Any, token_row: TokenRow) -> str:
    return str(tokenizer.decode([i for i in token_row.labels if i != -100]))


def trl_labels(tokenizer: Any, template: str, rows: Sequence[Row]) -> list[dict[str, list[int]]]:
    """What SFTTrainer's own preparation makes of the rows with loss on the assistant only."""
    trainer: Any = SimpleNamespace(
        _tokenizer=tokenizer, chat_template=template, completion_only_loss=False
    )
    args = SFTConfig(
        output_dir="unused", assistant_only_loss=True, max_length=None, bf16=False, use_cpu=True
    )
    dataset = Dataset.from_list([{"messages": r.as_dicts()} for r in rows])
    prepared = SFTTrainer._prepare_dataset(
        trainer, dataset, tokenizer, args, packing=False, formatting_func=None, dataset_name="train"
    )
    return list(prepared)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("make", [byte_tokenizer, metaspace_tokenizer])
def test_marked_templates_give_what_trl_gives(name: str, make: Callable[..., Any]) -> None:
    template = family(f"{name}_training")
    tokenizer = make(template)

    ours = tokens(tokenizer)

    for mine, theirs in zip(ours, trl_labels(tokenizer, template, ROWS), strict=True):
        assert mine.input_ids == theirs["input_ids"]
        assert mine.labels == theirs["labels"]
        assert mine.eos_trained


@pytest.mark.parametrize("name", FAMILIES)
def test_prefixes_give_what_the_markers_of_trl_give(name: str) -> None:
    """Up to white space round the answer, which TRL's markers sometimes enclose."""
    tokenizer = byte_tokenizer(family(name))
    variant = family(f"{name}_training")

    ours = tokens(tokenizer)

    for mine, theirs in zip(ours, trl_labels(tokenizer, variant, ROWS), strict=True):
        assert mine.input_ids == theirs["input_ids"]
        for token, label, other in zip(mine.input_ids, mine.labels, theirs["labels"], strict=True):
            assert label == other or (label == -100 and not tokenizer.decode([token]).strip())
        assert mine.eos_trained


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(max_examples=60)
@given(st.lists(texts, min_size=2, max_size=6).filter(lambda parts: len(parts) % 2 == 0))
def test_prefixes_equal_markers(contents: list[str]) -> None:
    rows = [row(*contents), row(*contents, system="Be brief.")]

    marked = tokens(CHATML_TOKENIZER, rows=rows)
    by_prefix = tokens(PREFIX_TOKENIZER, rows=rows)

    assert by_prefix == marked
    for token_row, source in zip(marked, rows, strict=True):
        answers = [m.content for m in source.messages if m.role == "assistant"]
        assert trained(CHATML_TOKENIZER, token_row) == "".join(f"{a}<|im_end|>" for a in answers)


CHATML_TOKENIZER = byte_tokenizer(CHATML)
PREFIX_TOKENIZER = byte_tokenizer(without_markers(CHATML))


def test_methods_are_what_they_claim() -> None:
    assert render_template(CHATML_TOKENIZER, "auto").method == "markers"
    assert render_template(PREFIX_TOKENIZER, "auto").method == "prefix"
    assert render_template(byte_tokenizer(family("phi3")), "auto").method == "prefix"
    assert render_template(byte_tokenizer(family("qwen3")), "auto").method == "trl"


def test_markers_agree_with_transformers_own_mask() -> None:
    for token_row, source in zip(tokens(CHATML_TOKENIZER), ROWS, strict=True):
        theirs = CHATML_TOKENIZER.apply_chat_template(
            source.as_dicts(), return_assistant_tokens_mask=True, return_dict=True
        )
        assert token_row.input_ids == theirs["input_ids"]
        assert [label != -100 for label in token_row.labels] == [
            bool(bit) for bit in theirs["assistant_masks"]
        ]


def test_history_of_a_thinking_template_is_trained_whole() -> None:
    """Qwen3 drops thoughts from history; every answer must be trained all the same."""
    tokenizer = byte_tokenizer(family("qwen3"))
    rows = [row("q1", "<think>\nt1\n</think>\n\na1", "q2", "<think>\nt2\n</think>\n\na2")]

    template = render_template(tokenizer, "auto")
    [token_row] = tokenise_rows(rows, tokenizer, template)

    assert [n.id for n in template.notices if "history" in n.message] == ["template.variant"]
    said = trained(tokenizer, token_row)
    assert [part in said for part in ("t1", "a1", "t2", "a2")] == [True] * 4
    assert "q1" not in said and "q2" not in said
    assert said.count("<|im_end|>") == 2


def test_an_unknown_template_that_rewrites_history_stops_at_the_row() -> None:
    template = without_markers(CHATML).replace(
        "{{ m['content'] + '<|im_end|>' }}",
        "{{ (m['content'] if loop.last else m['content'][-2:]) + '<|im_end|>' }}",
        1,
    )
    tokenizer = byte_tokenizer(template)
    used = render_template(tokenizer, "auto")

    assert "template.one-turn" in [n.id for n in used.notices]
    assert tokenise_rows(ROWS[:1], tokenizer, used)[0].eos_trained
    with pytest.raises(TailfinError, match="renders the row at line 2 differently") as caught:
        tokenise_rows(ROWS, tokenizer, used)
    assert caught.value.where == "line 2"
    assert "generation" in caught.value.hint
    [whole] = tokenise_rows(ROWS[1:2], tokenizer, used, loss_on="all")
    assert whole.num_trained == len(whole.input_ids)


def test_a_row_the_template_refuses_is_named() -> None:
    tokenizer = byte_tokenizer(family("gemma"))
    rows = [*ROWS, row("q", "a", system="Be brief.", record=7)]

    with pytest.raises(TailfinError, match="refused the row at line 8: System role not supported"):
        tokens(tokenizer, rows=rows)


def test_plain_is_used_where_no_template_is_and_said() -> None:
    tokenizer = byte_tokenizer(adds_bos=True)

    template = render_template(tokenizer, "auto")
    token_rows = tokenise_rows(ROWS, tokenizer, template)

    assert (template.name, [n.id for n in template.notices]) == ("plain", ["template.plain"])
    assert render_template(tokenizer, "plain").notices == ()
    for token_row in token_rows:
        assert token_row.num_bos == 1 and token_row.eos_trained and token_row.num_merged == 0
    assert trained(tokenizer, token_rows[0]) == "It is Paris.</s>"
    prompt = tokenizer.apply_chat_template(
        ROWS[0].as_dicts()[:1], chat_template=template.source, add_generation_prompt=True
    )["input_ids"]
    assert token_rows[0].input_ids[: len(prompt)] == prompt


def vicuna(folder: Path, opening: str) -> str:
    """A template file without control tokens; `opening` stands before each answer."""
    path = folder / "vicuna.jinja"
    path.write_text(
        "{% for m in messages %}{{ ('" + opening + "' if m['role'] == 'assistant' else 'USER:\\n')"
        " + m['content'] + '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '" + opening + "' }}{% endif %}"
    )
    return str(path)


def test_an_end_token_is_added_where_the_template_has_none(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer(CHATML)

    template = render_template(tokenizer, vicuna(tmp_path, "ASSISTANT:\\n"))
    token_rows = tokenise_rows(ROWS, tokenizer, template)

    assert template.append_eos and template.stop_ids == (tokenizer.eos_token_id,)
    assert trained(tokenizer, token_rows[0]) == "It is Paris.</s>"
    assert [r.eos_trained for r in token_rows] == [True] * 3
    assert tokenizer.decode(token_rows[0].input_ids).endswith("It is Paris.</s>\n")


def test_an_end_token_outside_the_markers_is_trained_too() -> None:
    template = CHATML.replace(
        "{{ m['content'] + '<|im_end|>' }}{% endgeneration %}",
        "{{ m['content'] }}{% endgeneration %}{{ '<|im_end|>' }}",
    )
    tokenizer = byte_tokenizer(template)

    used = render_template(tokenizer, "auto")

    assert "template.unmarked-stop" in [n.id for n in used.notices]
    assert tokenise_rows(ROWS, tokenizer, used) == tokens(CHATML_TOKENIZER)


def test_markers_round_the_last_answer_only_are_told() -> None:
    template = CHATML.replace("m['role'] == 'assistant' %}", "loop.last %}")
    used = render_template(byte_tokenizer(template), "auto")
    assert "template.marks-some" in [n.id for n in used.notices]


@pytest.mark.parametrize(
    ("name", "finding_id", "words"),
    [
        ("qwen2_5", "template.default-system", "You are Qwen"),
        ("llama3", "template.other-stop", "<|eot_id|>"),
    ],
)
def test_what_a_template_adds_is_said(name: str, finding_id: str, words: str) -> None:
    notices = {n.id: n for n in render_template(byte_tokenizer(family(name)), "auto").notices}
    assert words in notices[finding_id].message


def test_a_template_that_drops_system_prompts_is_told() -> None:
    template = CHATML.replace(
        "{% for m in messages %}", "{% for m in messages if m['role'] != 'system' %}"
    )
    notices = render_template(byte_tokenizer(template), "auto").notices
    assert "template.drops-system" in [n.id for n in notices]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{% for m in messages %}", "failed"),
        ("{{ raise_exception('not for you') }}", "not for you"),
        ("{{ 1 / 'a' }}", "unsupported operand"),
        ("nothing", "dropped the answer"),
        ("{% generation %}{% endgeneration %}", "dropped the answer"),
        ("{% if false %}{% generation %}{% endgeneration %}{% endif %}", "marks no answer"),
    ],
)
def test_templates_that_cannot_work_are_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "x.jinja"
    path.write_text(content)
    with pytest.raises(TailfinError, match=said):
        render_template(byte_tokenizer(), str(path))


def test_a_missing_template_file_is_named() -> None:
    with pytest.raises(TailfinError, match=r"'no\.jinja' could not be read: No such file"):
        render_template(byte_tokenizer(), "no.jinja")


def test_loss_on_all_trains_everything_and_still_counts_answers() -> None:
    template = render_template(CHATML_TOKENIZER, "auto")
    for token_row, answers in zip(
        tokenise_rows(ROWS, CHATML_TOKENIZER, template, loss_on="all"),
        tokens(CHATML_TOKENIZER),
        strict=True,
    ):
        assert token_row.labels == token_row.input_ids
        assert token_row.num_answer == answers.num_trained < token_row.num_trained


def test_a_merge_across_the_border_is_told(tmp_path: Path) -> None:
    """A prompt that ends on a space swallows the first token of the answer: " It" is one token."""
    token_rows = tokens(byte_tokenizer(), vicuna(tmp_path, "ASSISTANT: "))

    assert [r.num_merged for r in token_rows] == [1, 0, 0]
    [finding] = check_tokens(token_rows, 0)
    assert (finding.severity, finding.id) == ("warn", "data.merged-tokens")
    assert "1 row has" in finding.message and "line 1" in finding.message


@pytest.mark.timeout(300)
def test_processes_give_the_same_rows_in_order() -> None:
    rows = [row(f"question {n}", f"answer {n}", record=n) for n in range(2100)]
    template = render_template(CHATML_TOKENIZER, "auto")

    alone = tokenise_rows(rows, CHATML_TOKENIZER, template)

    assert tokenise_rows(rows, CHATML_TOKENIZER, template, num_proc=2) == alone
    assert [r.record for r in alone] == list(range(2100))


@pytest.mark.timeout(300)
def test_an_error_in_a_process_names_its_row() -> None:
    tokenizer = byte_tokenizer(family("gemma"))
    rows = [row("q", "a", record=n) for n in range(1500)]
    rows[1200] = row("q", "a", system="no", record=1200)
    template = render_template(tokenizer, "auto")

    with pytest.raises(TailfinError, match="line 1201") as caught:
        tokenise_rows(rows, tokenizer, template, num_proc=2)
    assert caught.value.hint
