"""What comes after training, in its order: compare, export, chat; and what each is called."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Literal

from engine.runs.store import RunFolder
from tui.result_view import ResultView

Stage = Literal["wait", "compare", "see", "export", "chat", "home"]
_FORMS = {"adapter": "adapter", "merged": "merged weights"}


def next_stage(
    view: ResultView | None, *, is_busy: bool, has_news: bool, has_chatted: bool
) -> Stage:
    """The next thing that was not done yet.

    `is_busy`: a job of the run is at work; `has_news`: a comparison was made and not looked at.
    """
    if is_busy:
        return "wait"
    if view is None:
        return "home"
    if view.report is None and can_compare(view):
        return "compare"
    if has_news:
        return "see"
    if view.missing_forms:
        return "export"
    return "home" if has_chatted else "chat"


def can_compare(view: ResultView) -> bool:
    """Whether there is something to measure or to ask without a person's own questions."""
    plan = view.delivered.status.plan
    return view.questions is not None or plan is None or plan.num_eval_rows > 0


def stage_words(stage: Stage, view: ResultView | None) -> str:
    """A stage as what Enter does."""
    match stage:
        case "compare":
            return "Compare base and tuned"
        case "see":
            return "See base against tuned"
        case "export":
            forms = view.missing_forms if view else ()
            return f"Export {' and '.join(_FORMS[form] for form in forms)}"
        case "chat":
            return "Chat with the tuned model"
    return "Home"


def plain_twins(view: ResultView, name: str) -> Sequence[tuple[str, str]]:
    """The same on a command line: what each does, and its words; `name` is what they call it."""
    asked = f" --questions {shlex.quote(str(view.questions))}" if view.questions else ""
    forms = ",".join(view.possible_forms)
    return (
        ("compare base and tuned", f"tailfin eval {name}{asked}"),
        ("export", f"tailfin export {name} --to {forms}"),
        ("talk to it", f"tailfin chat {name}"),
        ("copy it to your machine: to be typed there", view.copy_home),
    )


def goes_on(job: RunFolder, name: str) -> list[str]:
    """What is printed once the screens are gone and a job is still at work."""
    return [f"{job.id} goes on. Look: tailfin attach {name} --plain  End it: tailfin stop {name}"]
