"""A model as lines: every fact is there, and nothing is wider than its column."""

from __future__ import annotations

import pytest

from engine.errors import TailfinError
from engine.hub import ModelPlace
from tui.draw.line import Line, width_of
from tui.draw.model_lines import model_lines, params, refusal_lines
from tui.model_lookup import Found

GIB = 2**30
LONG = "/数据/" + "very long names/" * 12 + "[red]end[/red]"


def place(**changes: object) -> ModelPlace:
    given = {
        "path": "owner/name",
        "is_local": False,
        "revision": "0123456789abcdef" * 2,
        "files": (("model.safetensors", 3 * GIB),),
        "total_bytes": 3 * GIB,
        "cached_bytes": GIB,
        "config": {"model_type": "strange", "dtype": "torch.bfloat16"},
    }
    return ModelPlace(**{**given, **changes})  # type: ignore[arg-type]


def text(drawn: list[Line]) -> str:
    return " ".join(" ".join("".join(run for run, _ in one) for one in drawn).split())


def test_a_download_is_told_with_the_room_for_it() -> None:
    found = Found(place(), None, "", None, "/cache", 50 * GIB)
    said = text(model_lines(found, 78))
    assert "2.0 GiB of 3.0 GiB when the run starts; 50.0 GiB are free at /cache" in said
    assert "commit 0123456789ab" in said
    assert "stored as bfloat16" in said
    assert "known once it is downloaded" in said


def test_a_whole_cached_copy_needs_nothing_and_says_why_it_was_taken() -> None:
    whole = place(cached_bytes=3 * GIB, note="The cached copy was used. The hub is away.")
    said = text(model_lines(Found(whole, None, "", True, "/cache", GIB), 78))
    assert "nothing, all of it is in the cache" in said
    assert "WARN The cached copy was used." in said


@pytest.mark.parametrize("width", [40, 56, 76, 116])
def test_no_line_is_wider_than_the_pane(width: int) -> None:
    local = place(path=LONG, is_local=True, note=LONG)
    error = TailfinError(f"There is no {LONG}.", f"Look into {LONG}.", error_id="model.missing")
    drawn = [
        *model_lines(Found(local, None, LONG, False), width),
        *refusal_lines(error, width),
    ]
    assert max(map(width_of, drawn)) <= width
    assert "[red]end[/red]".replace(" ", "") in text(drawn).replace(" ", "")


@pytest.mark.parametrize(
    ("count", "said"),
    [(1_838_336, "1.84 M"), (494_032_768, "494 M"), (7_615_616_512, "7.62 B"), (400, "0.0004 M")],
)
def test_parameters_are_told_as_people_do(count: int, said: str) -> None:
    assert params(count) == said


def test_a_refusal_names_its_kind_in_words() -> None:
    error = TailfinError("It is gated.", "Accept it.", error_id="model.gated-no-token")
    assert text(refusal_lines(error, 60)) == "FAIL model: gated no token It is gated. Accept it."
