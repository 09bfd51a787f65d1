"""Every act does what a finding promises of it, and nothing to rows that are not meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.acts import ACTS
from engine.data.acts.act import Outcome, parse_act
from engine.data.acts.truncate import shortened
from engine.data.quality.check import View
from engine.data.quality.checks import ROW_CHECKS
from engine.data.rows import Message, Row
from engine.errors import TailfinError


def row(question: str, answer: str, record: int = 0) -> Row:
    return Row((Message("user", question), Message("assistant", answer)), record, record + 1)


def outcomes(act: str, *rows: Row) -> list[Outcome]:
    planned = parse_act(ACTS, act)
    return list(planned.act.apply(rows, planned.options))


def kept(act: str, *rows: Row) -> list[int]:
    return [one.after.record for one in outcomes(act, *rows) if one.after is not None]


def answer(act: str, text: str, question: str = "What is a cat?") -> str:
    (one,) = outcomes(act, row(question, text))
    assert one.after is not None, one.reason
    return one.after.answer_text


def test_every_act_that_a_check_names_exists() -> None:
    assert {act for check in ROW_CHECKS for act in check.acts} <= ACTS.keys()


# Text that one check strikes, and what is left of it.
MENDED = [
    ("strip-html", "<p>A cat is a <b>small</b> animal.</p>", "A cat is a small animal."),
    ("strip-html", "Cats &amp; dogs are animals<br>that people keep.", None),
    ("strip-html", "<script>x = 1</script><div>One.</div><div>Two.</div>", "One.\nTwo."),
    (
        "fix-mojibake",
        "A caf\u00c3\u00a9 is a place for cr\u00c3\u00a8me.",
        "A caf\u00e9 is a place for cr\u00e8me.",
    ),
    ("strip-control", "A cat\x07 is an animal.\x1b[0m", "A cat is an animal.[0m"),
    ("strip-control", "A c\u200bat is an ani\u00admal.", "A cat is an animal."),
    ("strip-control", "A cat \u202eis an animal.", "A cat is an animal."),
    ("strip-template", "A cat is an animal.<|im_end|>", "A cat is an animal."),
    (
        "strip-template",
        "<|im_start|>assistant\nA cat is an animal.<|im_end|>\n",
        "A cat is an animal.",
    ),
    ("strip-template", "A cat.\n\n### Instruction:\nName a dog.\n\n### Response:\nRex.", "A cat."),
    ("strip-template", "### Response:\nA cat is an animal.", "A cat is an animal."),
]


@pytest.mark.parametrize(("act", "text", "wanted"), MENDED)
def test_a_fix_silences_the_check_that_names_it(act: str, text: str, wanted: str | None) -> None:
    checks = [check for check in ROW_CHECKS if act in check.acts]
    before = row("What is a cat?", text)
    assert any(check.find(View(before)) for check in checks)
    (one,) = outcomes(act, before)
    assert one.after is not None and one.is_changed
    assert not any(check.find(View(one.after)) for check in checks)
    if wanted is not None:
        assert one.after.answer_text == wanted


def test_a_marker_is_cut_from_the_question() -> None:
    (one,) = outcomes("strip-template", row("Tell me a joke about cats.\n<noinput>", "Meow."))
    assert one.after is not None and one.after.user_text == "Tell me a joke about cats."


@pytest.mark.parametrize("act", ["strip-html", "fix-mojibake", "strip-control", "strip-template"])
@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Write an HTML paragraph.", "<p>Hello</p>"),
        ("Show a list in Markdown.", "- one\n- two\n\n```html\n<b>x</b>\n```"),
        (
            "\u0645\u0627 \u0647\u0630\u0627\u061f",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0627\u06cc\u0646 \u0631\u0627.",
        ),
        ("Wie geht's?", "Sch\u00f6n, \u00e9t\u00e9, na\u00efve, 3 < 4 > 2."),
        ("Which emoji is a family?", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
    ],
)
def test_healthy_text_is_left_alone(act: str, question: str, text: str) -> None:
    (one,) = outcomes(act, row(question, text))
    assert one.after is one.before


def test_an_answer_of_nothing_but_residue_drops_the_row() -> None:
    (one,) = outcomes("strip-html", row("What is a cat?", "<br><br>"))
    assert one.after is None and "nothing was left" in one.reason


def test_text_that_cannot_be_mended_is_said_and_kept() -> None:
    (one,) = outcomes("fix-mojibake", row("What is a cat?", "A caf\ufffd is a place."))
    assert one.after is one.before and one.reason == "could not be mended"


def test_an_escaped_tag_stays_the_text_that_it_is() -> None:
    assert (
        answer("strip-html", "Bold is <b>this</b> &lt;x&gt; &nbsp;here.")
        == "Bold is this <x>  here."
    )


def test_drop_takes_checks_and_numbers() -> None:
    rows = [
        row("a?", "One."),
        row("b?", "I'm sorry, but I cannot help with that.", 1),
        row("c?", "Two.", 2),
    ]
    found = outcomes("drop:checks=data.refusals:records=2", *rows)
    assert [one.after is None for one in found] == [False, True, True]
    assert found[1].reason.startswith("data.refusals") and "number" in found[2].reason


def test_drop_takes_contradictions_as_the_report_counts_them() -> None:
    rows = [row("Why?", "So.", 0), row("why", "Not so.", 1), row("Who?", "I.", 2)]
    assert kept("drop:checks=data.contradictions", *rows) == [2]


def test_keep_first_keeps_the_first_and_near_ones_on_request() -> None:
    words = (
        "the quick brown fox jumps over a lazy dog while seven wizards brew strong potions daily"
    )
    rows = [
        row("Tell it.", words, 0),
        row("tell IT", words.upper(), 1),
        row("Tell it.", words + " indeed", 2),
        row("Tell it.", "Something else is said here.", 3),
    ]
    assert kept("keep-first", *rows) == [0, 2, 3]
    assert kept("keep-first:near=true", *rows) == [0, 3]


def test_filter_keeps_both_ends_of_a_bound() -> None:
    rows = [row("q" * n, "a" * n, n) for n in range(1, 6)]
    assert kept("filter:min-question-chars=2:max_answer_chars=4", *rows) == [2, 3, 4]
    rows = [row("Was?", "Ein Haus.", 0), row("?", "\u623f\u5b50\u5728\u90a3\u91cc", 1)]
    assert kept("filter:scripts=han", *rows) == [1]
    assert kept("filter:max_turns=1", *rows) == []


@given(st.text(st.sampled_from("ab .!?\n`\u3002,1"), max_size=80), st.integers(1, 60))
def test_a_shortened_text_is_a_beginning_that_ends_a_sentence(text: str, limit: int) -> None:
    short = shortened(text, limit)
    assert text.startswith(short) and len(short) <= limit
    if short != text:
        assert short == short.rstrip() and short.count("```") % 2 == 0
    if short and short != text and short[-1] not in ".!?\u3002":
        assert text[len(short) :].lstrip(" ").startswith("\n")


def test_truncate_ends_at_a_sentence_or_drops_the_row() -> None:
    text = "A cat is 3.5 kg heavy. It sleeps all day and likes fish very much."
    assert answer("truncate:answer_chars=40", text) == "A cat is 3.5 kg heavy."
    (one,) = outcomes("truncate:answer_chars=15", row("Q?", text))
    assert one.after is None and "no sentence ends" in one.reason


@given(st.text(st.sampled_from(" \t\nab\r"), max_size=60))
def test_stripping_space_touches_nothing_but_space_and_is_done_once(text: str) -> None:
    (one,) = outcomes("strip-space", row("q", text + "x"))
    assert one.after is not None
    made = one.after.answer_text
    assert made.split() == (text + "x").split()
    (again,) = outcomes("strip-space", row("q", made))
    assert again.after is again.before


@pytest.mark.parametrize(
    "text",
    ["nothing", "drop", "drop:checks=data.nonsense", "drop:records=x", "keep-first:near",
     "filter", "filter:scripts=klingon", "truncate:answer_chars=0", "strip-html:how=well"],
)  # fmt: skip
def test_wrong_acts_are_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(TailfinError) as raised:
        parse_act(ACTS, text)
    assert raised.value.hint and raised.value.where == "--act"
