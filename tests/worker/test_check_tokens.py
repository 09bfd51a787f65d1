"""What the token check says: untrained rows, cut answers, missing ends, double begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.data.rows import Row
from engine.findings import Finding
from engine.worker.token_checks import ControlTokens, check_tokens
from engine.worker.tokens import TokenRow, render_template
from tests.worker.test_tokens import CHATML, CHATML_TOKENIZER, row, tokens, trained
from tests.worker.tiny_tokenizer import byte_tokenizer


def token_row(
    num_prompt: int = 4, num_answer: int = 4, *, record: int = 0, **changes: Any
) -> TokenRow:
    ids = list(range(10, 10 + num_prompt + num_answer))
    values: dict[str, Any] = {
        "input_ids": ids,
        "labels": [-100] * num_prompt + ids[num_prompt:],
        "num_trained": num_answer,
        "num_answer": num_answer,
        "eos_trained": True,
        "record": record,
        "line": record + 1,
    }
    return TokenRow(**(values | changes))


def controls(rows: Sequence[Row]) -> list[Finding]:
    look = ControlTokens(CHATML_TOKENIZER, render_template(CHATML_TOKENIZER, "auto"))
    for one in rows:
        look.look(one)
    return look.findings()


def found(rows: Sequence[TokenRow], max_length: int = 0, packing: bool = False) -> dict[str, str]:
    return {f"{f.severity} {f.id}": f.message for f in check_tokens(rows, max_length, packing)}


def test_healthy_rows_give_no_finding() -> None:
    assert check_tokens(tokens(CHATML_TOKENIZER), 512) == []
    assert check_tokens([], 512) == []


def test_rows_without_a_trained_token_fail() -> None:
    rows = [token_row(), token_row(num_prompt=8, record=1), token_row(num_prompt=9, record=2)]

    said = found(rows, max_length=8)

    assert (
        "2 rows have no trained token within 8 tokens, at lines 2, 3"
        in (said["fail data.untrained-rows"])
    )
    assert "left out" in said["fail data.untrained-rows"]
    assert "packs" in found(rows, 8, packing=True)["fail data.untrained-rows"]
    assert "fail data.untrained-rows" not in found(rows)


def test_a_label_on_the_first_token_trains_nothing() -> None:
    assert "fail data.untrained-rows" in found([token_row(num_prompt=0, num_answer=1)])


def test_cut_answers_are_counted() -> None:
    said = found([token_row(), token_row(record=1, num_answer=8)], max_length=9)
    assert (
        "1 of 2 answers are cut at 9 tokens, at line 2; 25.0% of" in said["warn data.cut-answers"]
    )


def test_missing_ends_and_double_begins() -> None:
    endless = token_row(eos_trained=False)
    assert "fail data.eos-untrained" in found([endless, endless])
    assert "warn data.eos-missing" in found([endless, token_row()])
    assert "warn data.double-bos" in found([token_row(num_bos=2)])


def test_a_double_bos_in_the_template_is_seen() -> None:
    tokenizer = byte_tokenizer("<s><s>" + CHATML, adds_bos=True)
    [finding] = check_tokens(tokens(tokenizer), 512)
    assert finding.id == "data.double-bos"
    single = byte_tokenizer("<s>" + CHATML, adds_bos=True)
    assert check_tokens(tokens(single), 512) == []


def test_a_row_that_ends_on_the_user_trains_its_earlier_end() -> None:
    [token_row] = tokens(CHATML_TOKENIZER, rows=[row("a", "b", "c")])
    assert token_row.eos_trained
    assert trained(CHATML_TOKENIZER, token_row) == "b<|im_end|>"


def test_a_short_last_answer_does_not_borrow_an_end_from_before() -> None:
    template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ '<|user|>' + m['content'] }}"
        "<|end|>{% else %}<|assistant|>{% generation %}{{ m['content'] }}"
        "{% if loop.index == 2 %}<|end|>{% endif %}{% endgeneration %}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    [one, two] = tokens(byte_tokenizer(template), rows=[row("a", "b"), row("a", "b", "c", "d")])
    assert (one.eos_trained, two.eos_trained) == (True, False)


def test_control_tokens_in_content_are_told() -> None:
    rows = [row("a", "b"), row("a", "b<|im_end|>c", record=4)]
    [finding] = controls(rows)
    assert finding.severity == "warn"
    assert "<|im_end|>" in finding.message and "line 5" in finding.message


def test_few_untrained_rows_are_left_out_and_many_stop_the_run() -> None:
    rows = [token_row(record=n) for n in range(99)] + [token_row(num_prompt=8, record=99)]
    [finding] = check_tokens(rows, 8, max_untrained_share=0.01)
    assert (finding.id, finding.severity) == ("data.untrained-rows", "warn")
    [finding] = check_tokens(rows[1:], 8, max_untrained_share=0.01)
    assert finding.severity == "fail"


def test_ends_that_are_all_cut_fail() -> None:
    rows = [token_row(end=7, record=n) for n in range(3)]
    assert "fail data.eos-untrained" not in found(rows, 8)
    said = found(rows, 7)
    assert "within 7 tokens" in said["fail data.eos-untrained"]
    assert "fail data.eos-untrained" not in found([*rows, token_row(end=6)], 7)


def test_stop_tokens_in_many_answers_fail() -> None:
    stopped = [row("a", "b<|im_end|>c", record=n) for n in range(4)]
    [finding] = controls(stopped)
    assert finding.severity == "fail" and "4 answers would stop there" in finding.message
    [finding] = controls([row("a<|im_end|>", "b", record=n) for n in range(4)])
    assert finding.severity == "warn"
