"""`tailfin demo`: every stage on the embedded model and data, each shown as its own command."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence

from engine.bundled import bundled
from engine.cli.follow import follow
from engine.cli.output import print_json
from engine.cli.screen_arguments import add_screen_arguments
from engine.cli.spec_arguments import add_runs_argument

# What the training worker imports; asked for without importing any of it.
_STACK = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")


def configure(parser: argparse.ArgumentParser) -> None:
    add_runs_argument(parser)
    add_screen_arguments(parser)
    parser.add_argument("--no-export", action="store_true", help="end after the comparison")


def run(args: argparse.Namespace) -> int:
    """Setup where it is needed, doctor, data, budget, training, comparison, export."""
    # With --json stdout carries the one object; what the stages print goes to stderr.
    out = contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext()
    with out:
        demo = _Demo(args.runs)
        code = demo.play(export=not args.no_export)
    if args.json:
        data = {"run": demo.run_id, "stage_s": demo.seconds, "failed_stage": demo.failed}
        print_json("demo", ok=code == 0, data=data)
    return code


class _Demo:
    def __init__(self, runs: str | None) -> None:
        self.run_id = ""
        self.failed = ""
        self.seconds: dict[str, float] = {}
        self._runs = runs
        self._samples = bundled("samples")

    def play(self, *, export: bool) -> int:
        if missing := missing_stack():
            print(f"The training stack is not installed yet: {', '.join(missing)}.")
            if code := self._stage("0 of 6  the training stack", ["setup"]):
                return self._give_up("setup", code)
        spec = str(self._samples / "demo.toml")
        model, data = str(self._samples / "model"), str(self._samples / "good.jsonl")
        began = time.monotonic()
        # A warning box may still run the demo: what the doctor says does not end it.
        self._stage("1 of 6  the box", ["doctor"])
        steps: list[tuple[str, list[str]]] = [
            ("2 of 6  the data", ["data", "report", data, "--model", model]),
            ("3 of 6  the budget", ["budget", spec]),
        ]
        for title, words in steps:
            if code := self._stage(title, words):
                return self._give_up(title, code)
        if code := self._train("4 of 6  training", spec):
            return self._give_up("training", code)
        runs = ["--runs", self._runs] if self._runs else []
        questions = str(self._samples / "questions.jsonl")
        title, words = (
            "5 of 6  base against tuned",
            ["eval", self.run_id, "--questions", questions, *runs],
        )
        if code := self._stage(title, words):
            return self._give_up(title, code)
        if export:
            title = "6 of 6  export"
            if code := self._stage(title, ["export", self.run_id, "--to", "adapter,merged", *runs]):
                return self._give_up(title, code)
        print(f"\nThe whole line took {time.monotonic() - began:.0f} s.")
        print("Your own:  tailfin train --model MODEL --data FILE   (MODEL: a folder or hub name)")
        print(f"Talk to it: tailfin chat {self.run_id}")
        return 0

    def _stage(self, title: str, words: Sequence[str]) -> int:
        from engine.cli.main import main

        self._head(title, words)
        began = time.monotonic()
        code = main(words)
        self.seconds[words[0]] = round(time.monotonic() - began, 3)
        return code

    def _train(self, title: str, spec_file: str) -> int:
        from engine.runs.create import start_training
        from engine.runs.preflight import preflight
        from engine.runs.store import runs_root
        from engine.settings import load_spec, with_absolute_paths

        self._head(title, ["train", spec_file])
        began = time.monotonic()
        resolved = with_absolute_paths(load_spec(spec_file), spec_file)
        preflight(resolved.spec, runs_root(self._runs))
        run = start_training(resolved, self._runs)
        self.run_id = run.id
        print(f"Run {run.id} in {run.path} (Ctrl-C leaves it running)", flush=True)
        code = follow(run)
        self.seconds["train"] = round(time.monotonic() - began, 3)
        return code

    def _head(self, title: str, words: Sequence[str]) -> None:
        print(f"\n=== {title}\n$ tailfin {' '.join(words)}", flush=True)

    def _give_up(self, title: str, code: int) -> int:
        self.failed = title
        print(f"The demo ended at: {title} (exit code {code}).", file=sys.stderr)
        return code


def missing_stack() -> list[str]:
    """What the training imports and this Python does not have; asked without importing it."""
    from importlib.util import find_spec

    return [name for name in _STACK if find_spec(name) is None]
