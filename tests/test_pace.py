"""How long a run is expected to take, from recorded ones with known figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.pace import Pace, expected
from engine.runs.events import (
    Body,
    Checkpointed,
    Evaluated,
    Event,
    Finished,
    Plan,
    Progress,
    Started,
    Step,
    Stopped,
    encode,
)
from engine.runs.store import RunFolder
from engine.settings import layer, load_spec, spec_to_toml
from engine.spec import Spec

CARD = "NVIDIA L4"
RECORDED = RunFolder(Path(__file__).resolve().parents[1] / "samples" / "run")


def _spec(**values: object) -> Spec:
    nested: dict[str, dict[str, object]] = {
        "model": {"path": "org/m"},
        "data": {"path": "d.jsonl", "max_length": 512},
        "train": {"micro_batch": 2, "accumulation": 5, "epochs": 1.0},
    }
    for path, value in values.items():
        section, _, name = path.partition("__")
        nested[section] = nested.get(section, {}) | {name: value}
    return layer([("test", nested)]).spec


class _Log:
    """Writes a run: 1,000 rows of 100 tokens, 100 steps of 2 s (500 tokens a second)."""

    def __init__(self, root: Path, name: str, spec: Spec | None = None) -> None:
        self.run = RunFolder(root / name)
        self.run.path.mkdir()
        self.run.spec.write_text(spec_to_toml(spec or _spec()), encoding="utf-8")
        self._lines: list[bytes] = []
        self.now = 1_000_000.0

    def add(self, body: Body, after_s: float = 0.0) -> None:
        self.now += after_s
        self._lines.append(encode(Event(len(self._lines), self.now, body)))

    def begin(self, plan: Mapping[str, Any] | None = None, from_step: int = 0) -> None:
        self.add(Started(1, "train", "box", "b", 1, from_step))
        figures: dict[str, Any] = {
            "max_steps": 100,
            "num_rows": 1000,
            "num_eval_rows": 50,
            "max_length": 400,
            "cut_share": 0.0,
            "epochs": 1.0,
            "micro_batch": 2,
            "accumulation": 5,
            "total_params": 1,
            "trained_params": 1,
            "tokens_per_epoch": 100_000,
            "device": CARD,
        }
        self.add(Progress("download", 1, 2, "bytes"), 20.0)
        self.add(Plan(**(figures | dict(plan or {}))), 10.0)
        self.add(Evaluated(0, 2.0, elapsed_s=6.0), 6.0)

    def step(self, number: int, step_s: float = 2.0) -> None:
        self._elapsed = getattr(self, "_elapsed", 6.0) + step_s
        point = Step(number, 0.0, 1.0, 1.0, 1e-4, number * 1000, 500.0, self._elapsed)
        self.add(point, step_s)

    def pause(self, number: int) -> None:
        self._elapsed += 7.0
        self.add(Evaluated(number, 1.0, elapsed_s=5.0), 5.0)
        self.add(Checkpointed(number, f"c-{number}", 1, "eval", elapsed_s=2.0), 2.0)

    def steps(self, first: int = 1, last: int = 100) -> None:
        for number in range(first, last + 1):
            self.step(number)
            if number % 20 == 0:
                self.pause(number)

    def end(self, body: Body | None = None) -> RunFolder:
        self.add(body or Finished(100, "adapter"), 3.0)
        self.run.events.write_bytes(b"".join(self._lines))
        return self.run


def _finished(root: Path, name: str, spec: Spec | None = None, **plan: object) -> RunFolder:
    log = _Log(root, name, spec)
    log.begin(plan)
    log.steps()
    return log.end()


def _ask(spec: Spec, *runs: RunFolder, tokens: int = 100_000, rows: int = 1000) -> Pace | None:
    return expected(spec, tokens, rows, 50, CARD, runs)


def test_the_same_run_takes_as_long_again(tmp_path: Path) -> None:
    pace = _ask(_spec(), _finished(tmp_path, "20260101-000000-a"))
    assert pace is not None
    # 30 s to the plan, 1 s of warm-up in the first evaluation, 100 steps, 6 evaluations, 5 saves
    assert pace.seconds == pytest.approx(30 + 1 + 200 + 6 * 5 + 5 * 2 + 3)
    assert pace.tokens_per_s == pytest.approx(500)
    assert pace.basis == "as 20260101-000000-a went"


def test_a_recorded_run_takes_as_long_again() -> None:
    spec = load_spec(RECORDED.spec).spec
    lines = RECORDED.events.read_text().splitlines()
    wall_s = float(lines[-1].split('"time":')[1].split(",")[0]) - float(
        lines[0].split('"time":')[1].split(",")[0]
    )
    for device in ("cpu", "RAM", "the container's RAM"):
        pace = expected(spec, 16_153, 400, 48, device, [RECORDED])
        assert pace is not None
        assert pace.seconds == pytest.approx(wall_s, rel=0.02)


def test_more_work_takes_longer_and_the_start_stays(tmp_path: Path) -> None:
    run = _finished(tmp_path, "20260101-000000-a")
    once = _ask(_spec(), run)
    twice = _ask(_spec(train__epochs=2.0), run)
    rows = _ask(_spec(), run, tokens=200_000, rows=2000)
    short = _ask(_spec(train__max_steps=10), run)
    bare = expected(_spec(), 100_000, 1000, 0, CARD, [run])
    assert once and twice and rows and short and bare
    assert twice.seconds == rows.seconds == pytest.approx(once.seconds + 200)
    assert short.seconds == pytest.approx(once.seconds - 180)
    assert bare.seconds == pytest.approx(once.seconds - 6 * 5 - 4 * 2)
    often = _ask(_spec(eval__every_steps=10, eval__at_start=False), run)
    assert often is not None
    assert often.seconds == pytest.approx(once.seconds + 4 * 5 + 5 * 2)


def test_evaluation_that_run_had_none_of_is_a_third_of_training(tmp_path: Path) -> None:
    log = _Log(tmp_path, "20260101-000000-a")
    log.begin({"num_eval_rows": 0})
    log._lines.pop()
    for number in range(1, 101):
        log.step(number)
    pace = _ask(_spec(), log.end())
    plain = expected(_spec(), 100_000, 1000, 0, CARD, [log.run])
    assert pace and plain
    # 50 rows of 100 tokens, six times
    assert pace.seconds - plain.seconds == pytest.approx(6 * 5000 / 500 / 3)


def test_only_a_run_like_it_counts(tmp_path: Path) -> None:
    run = _finished(tmp_path, "20260101-000000-a")
    assert _ask(_spec(), run) is not None
    assert _ask(_spec(model__path="org/other"), run) is None
    assert _ask(_spec(train__method="qlora"), run) is None
    assert _ask(_spec(data__max_length=513), run) is None
    assert _ask(_spec(data__max_length=257), run) is not None
    assert _ask(_spec(data__max_length=256), run) is None
    assert expected(_spec(), 100_000, 1000, 50, "NVIDIA A10", [run]) is None
    # without a length of its own the rows decide: twice as long at most
    free = _spec(data__max_length=0)
    assert _ask(free, run, tokens=200_000) is not None
    assert _ask(free, run, tokens=201_000) is None
    assert _ask(free, run, tokens=49_000) is None
    assert _ask(_spec(), run, tokens=0) is None
    assert _ask(_spec(), run, rows=0) is None
    assert _ask(_spec()) is None


def test_another_micro_batch_is_said(tmp_path: Path) -> None:
    pace = _ask(_spec(train__micro_batch=8), _finished(tmp_path, "20260101-000000-a"))
    assert pace is not None
    assert pace.basis.endswith("which had a micro-batch of 2")


def test_a_local_model_is_the_same_by_any_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").mkdir()
    spec = _spec(model__path=str(tmp_path / "m"))
    run = _finished(tmp_path, "20260101-000000-a", spec)
    monkeypatch.chdir(tmp_path)
    assert _ask(_spec(model__path="./m"), run) is not None


def test_the_newest_finished_one_is_taken(tmp_path: Path) -> None:
    old = _finished(tmp_path, "20260101-000000-a")
    new = _finished(tmp_path, "20260102-000000-a")
    stopped = _Log(tmp_path, "20260103-000000-a")
    stopped.begin()
    stopped.steps()
    stopped.end(Stopped(100, "asked"))
    started_again = _Log(tmp_path, "20260104-000000-a")
    started_again.begin()
    started_again.steps()
    started_again.end()
    started_again.end(Started(2, "train", "box", "b", 1, 100))
    pace = _ask(_spec(), old, stopped.run, new, started_again.run)
    assert pace is not None
    assert pace.basis == "as 20260102-000000-a went"


def test_a_resumed_run_is_judged_by_its_last_attempt(tmp_path: Path) -> None:
    log = _Log(tmp_path, "20260101-000000-a")
    log.begin()
    log.step(1, step_s=500.0)
    log.step(2, step_s=500.0)
    log.now += 86_400.0
    log.begin(from_step=2)
    log._elapsed = 0.0
    log.steps(3)
    pace = _ask(_spec(), log.end())
    assert pace is not None
    assert pace.tokens_per_s == pytest.approx(500)
    assert pace.seconds == pytest.approx(30 + 1 + 200 + 6 * 5 + 5 * 2 + 3)


def test_only_the_newest_twenty_are_looked_at(tmp_path: Path) -> None:
    old = _finished(tmp_path, "20260101-000000-a")
    others = [
        _finished(tmp_path, f"20260201-0000{number:02}-b", _spec(train__method="full"))
        for number in range(20)
    ]
    assert _ask(_spec(), old, *others[1:]) is not None
    assert _ask(_spec(), old, *others) is None


@pytest.mark.parametrize("log", [b"", b"\n\n{}\nnonsense", b'{"kind":"finished"}\n'])
@pytest.mark.parametrize("spec", ["", "[train", "name = 1"])
def test_a_broken_run_is_passed_over(tmp_path: Path, log: bytes, spec: str) -> None:
    good = _finished(tmp_path, "20260101-000000-a")
    broken = _finished(tmp_path, "20260102-000000-a")
    broken.events.write_bytes(log)
    assert _ask(_spec(), good, broken) is not None
    broken.spec.write_text(spec)
    assert _ask(_spec(), good, broken) is not None
    gone = RunFolder(tmp_path / "20260103-000000-a")
    assert _ask(_spec(), good, gone) is not None


def test_a_run_too_short_to_tell_is_passed_over(tmp_path: Path) -> None:
    log = _Log(tmp_path, "20260101-000000-a")
    log.begin()
    log.step(1)
    assert _ask(_spec(), log.end()) is None
