"""A recorded box is judged as the box itself, and holds nobody's name or secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.doctor.box import gather
from engine.doctor.checks import all_findings, examine
from engine.doctor.facts import Box
from engine.doctor.record import refuse_used, write_recorded
from engine.doctor.recorded import RecordedNvml, read_recorded
from engine.doctor.recording_host import noting_files, recording
from engine.doctor.recording_nvml import RecordingNvml
from engine.errors import TailfinError

ROOT = Path(__file__).resolve().parents[2]
GALLERY = Path(__file__).parent / "gallery"
SECRET = "hf_notARealToken1234567890"


def told(box: Box) -> set[tuple[str, str]]:
    return {(one.id, one.severity) for one in all_findings(examine(box))}


def everything(folder: Path) -> str:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return "\n".join(str(file) + file.read_text(errors="replace") for file in files)


def test_this_box_is_judged_the_same_from_its_recording(tmp_path: Path) -> None:
    folder = tmp_path / "box"
    env = {name: text for name, text in os.environ.items() if name != "HF_HUB_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-m", "engine", "doctor", "--json", "--record", str(folder)],
        cwd=ROOT,
        env=env | {"HF_TOKEN": SECRET, "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    here = {(row["id"], row["severity"]) for row in json.loads(done.stdout)["findings"]}
    assert told(gather(read_recorded(folder))) == here
    assert SECRET not in everything(folder) + done.stdout + done.stderr
    assert "hub.unreachable" in {name for name, _ in here}


@pytest.mark.parametrize(
    "name", ["healthy-4090-runpod", "token-in-process-1-only", "power-cap-3090"]
)
def test_a_recording_of_a_recording_is_judged_the_same(name: str, tmp_path: Path) -> None:
    first = read_recorded(GALLERY / name)
    noting = recording(first)
    with noting_files(noting.notes):
        box = gather(noting)
    write_recorded(noting, box, tmp_path / "again")
    assert told(gather(read_recorded(tmp_path / "again"))) == told(gather(first))


def test_answers_of_the_driver_come_back_as_they_were() -> None:
    answers: dict[str, Any] = {
        "system": {"nvmlInit": 0, "nvmlSystemGetDriverVersion": "580.65.06"},
        "devices": [
            {
                "nvmlDeviceGetName": "NVIDIA H100",
                "nvmlDeviceGetSerial": "1321020012345",
                "nvmlDeviceGetMemoryInfo": {"total": 80, "free": 79},
                "nvmlDeviceGetTotalEccErrors": {"error": 3},
                "nvmlDeviceGetTemperature(0)": 41,
            }
        ],
    }
    noting = RecordingNvml(RecordedNvml(answers))
    noting.nvmlInit()
    noting.nvmlSystemGetDriverVersion()
    card = noting.nvmlDeviceGetHandleByIndex(0)
    for name in ("Name", "Serial", "MemoryInfo"):
        getattr(noting, f"nvmlDeviceGet{name}")(card)
    noting.nvmlDeviceGetTemperature(card, 0)
    with pytest.raises(noting.NVMLError):
        noting.nvmlDeviceGetTotalEccErrors(card)
    kept = noting.answers()
    assert kept["system"] == answers["system"]
    assert kept["devices"][0].pop("nvmlDeviceGetHandleByIndex", None) is None
    assert kept["devices"][0] == {
        key: value for key, value in answers["devices"][0].items() if "Serial" not in key
    }


def test_a_used_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TailfinError, match="not empty"):
        refuse_used(tmp_path)
    with pytest.raises(TailfinError, match="is a file"):
        refuse_used(tmp_path / "file")
