"""What models are sent of a conversation, whatever happened to its answers."""

from __future__ import annotations

from dataclasses import replace

from engine.evaluate.session import Done
from tui.conversation import Conversation, Exchange, Mode, State


def _said(text: str, *, hit_limit: bool = False, cancelled: bool = False) -> Done:
    return Done("1", text, 3, hit_limit, cancelled, 0.5)


def _answered(talk: Conversation, question: str, *texts: str, mode: Mode = "tuned") -> Conversation:
    talk = talk.begin(question, mode, 256)
    for text in texts:
        last = talk.last
        assert last is not None and last.current is not None
        place = last.current
        talk = talk.change(place, last.replies[place].done(_said(text)))
    return talk


def _contents(talk: Conversation) -> list[str]:
    return [message["content"] for message in talk.messages()]


def test_questions_and_answers_take_turns() -> None:
    talk = _answered(Conversation(), "one?", "one.").begin("two?", "tuned", 256)
    assert talk.messages() == [
        {"role": "user", "content": "one?"},
        {"role": "assistant", "content": "one."},
        {"role": "user", "content": "two?"},
    ]


def test_both_are_asked_the_same_and_the_tuned_ones_words_go_on() -> None:
    talk = Conversation().begin("one?", "both", 256)
    last = talk.last
    assert last is not None and [reply.which for reply in last.replies] == ["base", "tuned"]
    asked_first = talk.messages()
    talk = talk.change(0, last.replies[0].done(_said("base says")))
    assert talk.messages() == asked_first
    talk = talk.change(1, last.replies[1].done(_said("tuned says"))).begin("two?", "base", 256)
    assert _contents(talk) == ["one?", "tuned says", "two?"]


def test_questions_without_an_answer_are_left_out() -> None:
    for state in ("refused", "lost", "cancelled"):
        ended: State = state
        talk = Conversation().begin("one?", "tuned", 256)
        assert talk.last is not None
        talk = talk.change(0, replace(talk.last.replies[0], state=ended))
        assert _contents(talk.begin("two?", "tuned", 256)) == ["two?"]


def test_half_an_answer_was_said() -> None:
    talk = Conversation().begin("one?", "tuned", 256)
    assert talk.last is not None
    begun = talk.last.replies[0].more("half ").more("of it")
    assert begun.text == "half of it" and not begun.is_over
    talk = talk.change(0, replace(begun, state="cancelled")).begin("two?", "tuned", 256)
    assert _contents(talk) == ["one?", "half of it", "two?"]


def test_endings_are_told_apart() -> None:
    reply = Conversation().begin("one?", "tuned", 256).exchanges[0].replies[0]
    assert reply.done(_said("a")).state == "whole"
    assert reply.done(_said("a", hit_limit=True)).state == "cut"
    assert reply.done(_said("a", hit_limit=True, cancelled=True)).state == "cancelled"


def test_a_system_prompt_comes_first() -> None:
    talk = Conversation(system="Be brief.").begin("one?", "tuned", 256)
    assert talk.messages()[0] == {"role": "system", "content": "Be brief."}
    assert Conversation(system="Be brief.").messages() == [
        {"role": "system", "content": "Be brief."}
    ]


def test_an_exchange_knows_whose_turn_it_is() -> None:
    talk = Conversation().begin("one?", "both", 256)
    assert isinstance(talk.last, Exchange) and talk.last.current == 0
    talk = talk.change(0, talk.last.replies[0].done(_said("a")))
    assert talk.last is not None and talk.last.current == 1
