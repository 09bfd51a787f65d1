"""The facts behind the demo data: unambiguous, and split without overlap."""

from __future__ import annotations

from samples.build.world import NUM_HELD_OUT, NUM_SHOWN, facts, split


def test_every_fact_falls_into_exactly_one_part() -> None:
    askable, held_out, shown = split()
    assert sorted(map(str, [*askable, *held_out, *shown])) == sorted(map(str, facts()))
    assert (len(held_out), len(shown)) == (NUM_HELD_OUT, NUM_SHOWN)


def test_no_two_facts_share_a_question_or_a_sentence() -> None:
    questions = [question for fact in facts() for question in fact.questions()]
    assert len(set(questions)) == len(questions)
    assert len({fact.sentence for fact in facts()}) == len(facts())


def test_a_name_with_a_held_out_fact_keeps_other_questions() -> None:
    askable, held_out, shown = split()
    assert {fact.name for fact in [*held_out, *shown]} <= {fact.name for fact in askable}


def test_shown_questions_ask_for_different_things() -> None:
    _, _, shown = split()
    assert len({(fact.kind, fact.topic) for fact in shown}) == NUM_SHOWN
