"""Data files a wizard could be given, read by the real reader; only the tokenizer is scripted."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.bundled import bundled
from engine.cli import data as data_command
from engine.data.inspect import Inspection, SampleRow, SampleTurn, Unreadable
from engine.data.lengths import LengthAdvice
from engine.data.report_answer import parse_answer
from engine.data.spread import Spread
from engine.data.token_report import TokenReport
from engine.findings import Finding
from tests.tui.gallery.course import DATA
from tests.tui.gallery.scene import Stage
from tui.panes.recent_data import RecentData

TOKENS = TokenReport(
    template="the model's own",
    method="prefix",
    stop_tokens=("<|im_end|>",),
    num_rows=5000,
    num_tokens=2_101_312,
    num_trained=883_420,
    lengths=LengthAdvice(1024, 20, 0.004, 2310, 388, 731, 962),
    is_suggested=True,
    suggested=1024,
    model_limit=40960,
    num_untrained=0,
    num_endless=0,
    findings=(),
)
_SAMPLE = (
    SampleRow(
        118,
        118,
        (
            SampleTurn("system", "You are the support assistant of Northwind Coffee Machines."),
            SampleTurn("user", "My Barista 300 stopped heating after I descaled it yesterday."),
            SampleTurn(
                "assistant",
                "That is mostly the thermal fuse, which trips when the tank runs dry during "
                "descaling. Unplug the machine, let it cool for 30 minutes, press the red button "
                "under the drip tray until it clicks, then fill the tank before you switch it on.",
            ),
        ),
    ),
    SampleRow(
        2041,
        2041,
        (
            SampleTurn("user", "Can I return the grinder without the box?"),
            SampleTurn(
                "assistant",
                "Yes, within 30 days. Pack it so that the hopper cannot move and enclose the "
                "order number; the refund leaves out 10 EUR for the missing packaging.",
            ),
        ),
    ),
    SampleRow(
        4777,
        4777,
        (
            SampleTurn("user", "Which water filter fits the Duo?"),
            SampleTurn("assistant", "The F-12. Change it every two months or after 60 litres."),
        ),
    ),
)
_SHORT = Finding(
    "data.duplicates",
    "warn",
    "12 rows repeated an earlier row (case, spaces and punctuation aside), at lines 77, 412, 980 "
    "and 9 more.",
    "Remove the copies; each one weighs its row double.",
    f"{DATA}:77",
)
SUPPORT = Inspection(
    path=DATA,
    container="jsonl",
    layout="messages",
    columns={},
    num_records=5000,
    num_rows=5000,
    num_left_out=0,
    num_turns=13_212,
    num_multi_turn=811,
    num_system_prompts=1,
    num_duplicates=12,
    num_contradictions=0,
    prompt_chars=Spread(112, 388, 702, 1411),
    answer_chars=Spread(401, 1190, 1822, 5120),
    sample=_SAMPLE,
    findings=(_SHORT,),
    tokens=TOKENS,
    file_columns=("messages",),
    first_values={},
)
RECENT = (
    RecentData(DATA, "run 20261124-122000-support-bot-r8"),
    RecentData("/workspace/data/contracts-de.parquet", "run 20261123-152000-legal-de"),
    RecentData("/opt/tailfin/samples/good.jsonl", "comes with tailfin"),
)
# Two files are read in two threads, and the answer is caught in one place.
_ONE_AT_A_TIME = threading.Lock()


class Reader:
    """Stands in for the reader in a child: reads in this process, and counts no tokens itself.

    What lies at DATA is said, not read; with a `model` every answer gets the scripted tokens.
    """

    held: Stage | None = None
    counts: bool = True

    def start(
        self,
        data_path: str | Path,
        *,
        layout: str = "auto",
        columns: Mapping[str, str] | None = None,
        system: str = "",
        model: str = "",
        max_length: int = 0,
        sets: Sequence[str] = (),
    ) -> None:
        self._path, self._model = str(data_path), model
        self._words = ["report", self._path]
        if layout != "auto":
            self._words += ["--set", f"data.format={layout}"]
        for part, column in (columns or {}).items():
            self._words += ["--set", f"data.columns.{part}={json.dumps(column)}"]

    def result(self) -> Inspection | Unreadable:
        if self.held is not None and (not self.counts or self._model):
            self.held.wait()
        found = SUPPORT if self._path == DATA else _read(self._path, self._words)
        if not self._model or isinstance(found, Unreadable):
            return found if isinstance(found, Unreadable) else replace(found, tokens=None)
        return found if found is SUPPORT else replace(found, tokens=_few_tokens(found.num_rows))

    def cancel(self) -> None: ...


def _few_tokens(num_rows: int) -> TokenReport:
    """What a tokenizer would say of so many short rows."""
    return replace(
        TOKENS,
        num_rows=num_rows,
        num_tokens=48 * num_rows,
        num_trained=17 * num_rows,
        lengths=LengthAdvice(128, 0, 0.0, 101, 44, 93, 97),
        suggested=128,
    )


def read_here(stage: Stage, *, holds: str = "") -> None:
    """Let the wizard read files in this process; `holds` is what never ends: rows or tokens."""

    class Held(Reader):
        held = stage if holds else None
        counts = holds == "tokens"

    Path("samples").symlink_to(bundled("samples"))  # named as a person in this folder would
    still = SimpleNamespace(monotonic=lambda: 0.0)
    stage.set("tui.panes.data.time", still)
    for module in ("data", "token_count", "review"):
        stage.set(f"tui.panes.{module}.Inspector", Held)
    stage.set("tui.panes.data.recent_data", lambda runs: RECENT)


def _read(path: str, words: Sequence[str]) -> Inspection | Unreadable:
    """The command's own answer, caught before it is printed."""
    said: list[bytes] = []

    def catch(
        command: str, *, ok: bool, data: Mapping[str, object], findings: Sequence[Finding] = ()
    ) -> None:
        told = [finding.as_dict() for finding in findings]
        envelope = {"schema": f"tailfin.{command}/1", "ok": ok, "data": data, "findings": told}
        said.append(json.dumps(envelope).encode())

    parser = argparse.ArgumentParser()
    data_command.configure(parser)
    with _ONE_AT_A_TIME, pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.cli.data_report.print_json", catch)
        data_command.run(parser.parse_args([*words, "--json"]))
    return parse_answer(said[0], path)
