"""How a chat begins: its session, and questions that can be asked with one key."""

from __future__ import annotations

from dataclasses import dataclass

from engine.runs.store import RunFolder
from tui.chat_link import Talks

_NUM_SAMPLES = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """A question that can be asked with Enter, and the system prompt of the row it comes from."""

    text: str
    system: str


def read_samples(run: RunFolder) -> tuple[Sample, ...]:
    """Questions to begin with: the bundled ones after a demo, else those of held-out rows."""
    from engine.evaluate.delivered import find_delivered, held_out_rows
    from engine.evaluate.questions import as_questions, read_questions, usual_questions

    file = usual_questions(find_delivered(run).spec)
    questions = read_questions(file) if file else as_questions(held_out_rows(run)[:_NUM_SAMPLES])
    samples = []
    for question in questions:
        turns = {message.role: message.content for message in reversed(question.messages)}
        samples.append(Sample(turns["user"], turns.get("system", "")))
    return tuple(samples[:_NUM_SAMPLES])


def start_session(run: RunFolder) -> Talks:
    from engine.evaluate.delivered import find_delivered
    from engine.evaluate.session import Session

    find_delivered(run)  # says in words what is missing, before seconds of loading
    return Session(run)
