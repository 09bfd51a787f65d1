"""Records the demo's training as samples/run: the real log of a real run, without this box in it.

python -m samples.build.record_run
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from engine.runs.events import Event, Stage, Started, encode
from engine.runs.reader import read_all
from engine.runs.store import RunFolder

SAMPLES = Path(__file__).resolve().parents[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        words = ["train", str(SAMPLES / "demo.toml"), "--runs", folder]
        subprocess.run([sys.executable, "-m", "engine", *words], cwd=SAMPLES.parent, check=True)
        recorded = RunFolder(next(Path(folder).iterdir()))
        events = [_without_this_box(event) for event in read_all(recorded.events)]
        spec = recorded.spec.read_text(encoding="utf-8")
    target = RunFolder(SAMPLES / "run")
    target.path.mkdir(exist_ok=True)
    target.events.write_bytes(b"".join(encode(event) for event in events))
    target.spec.write_text(_relative(spec), encoding="utf-8")


def _without_this_box(event: Event) -> Event:
    body = event.body
    if isinstance(body, Started):
        body = replace(body, host="demo-box", boot_id="", pid=0)
    elif isinstance(body, Stage):
        body = replace(body, detail=_relative(body.detail))
    return replace(event, body=body)


def _relative(text: str) -> str:
    return text.replace(str(SAMPLES), "samples")


if __name__ == "__main__":
    main()
