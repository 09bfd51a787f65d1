"""The gallery: recorded boxes with one planted fault each, which must be the first finding.

A box is a folder of raw data (docs/recorded-boxes.md); what its fault is stands in its case.json.
Words in `about` and `fix` are matched without regard to case; a list of words means any of them.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.doctor.box import gather
from engine.doctor.checks import examine
from engine.doctor.recorded import read_recorded
from engine.findings import Finding

GALLERY = Path(__file__).parent / "gallery"
BOXES = sorted(case.parent for case in GALLERY.glob("*/case.json"))


def case_of(folder: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    return case


def findings_of(folder: Path) -> list[Finding]:
    """All findings of a recorded box, in the order a person reads them."""
    host = replace(read_recorded(folder), model=case_of(folder).get("model", ""))
    return [found for group in examine(gather(host)) for found in group.findings]


def copied(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(GALLERY / name, tmp_path / name, symlinks=True))


def first_of(findings: list[Finding]) -> Finding:
    """What is named first; that something could not be looked at names no fault."""
    return next(found for found in findings if found.severity != "skip")


def lacks(text: str, words: list[str | list[str]]) -> list[str | list[str]]:
    """Those of the words that the text does not hold; of a list one is enough."""
    text = text.lower()
    return [
        word
        for word in words
        if not any(one.lower() in text for one in ([word] if isinstance(word, str) else word))
    ]


def shown(findings: list[Finding]) -> str:
    return "\n".join(
        f"{one.severity} {one.id}: {one.message} [{one.where}] -> {one.fix}"
        for one in findings
        if one.severity in ("fail", "warn", "skip")
    )


FAULTY = [folder for folder in BOXES if not case_of(folder).get("healthy")]
HEALTHY = [folder for folder in BOXES if case_of(folder).get("healthy")]


@pytest.mark.parametrize("folder", FAULTY, ids=lambda folder: folder.name)
def test_planted_fault_comes_first_with_its_fix(folder: Path) -> None:
    expect = case_of(folder)["expect"]
    severities = expect.get("severity", ["fail", "warn"])
    findings = findings_of(folder)
    first = first_of(findings)
    seen = shown(findings)
    assert first.severity in ([severities] if isinstance(severities, str) else severities), seen
    assert not lacks(f"{first.message} {first.where}", expect["about"]), seen
    assert not lacks(first.fix, expect["fix"]), seen


@pytest.mark.parametrize("folder", HEALTHY, ids=lambda folder: folder.name)
def test_healthy_box_has_no_failure(folder: Path) -> None:
    findings = findings_of(folder)
    assert not [found for found in findings if found.severity == "fail"], shown(findings)


@pytest.mark.parametrize("gone", ["proc", "sys", "dev", "etc", "usr", "root", ".dockerenv"])
@pytest.mark.parametrize("name", ["healthy-a100-autodl", "xid-79-5090"])
def test_box_with_files_missing_is_still_judged(name: str, gone: str, tmp_path: Path) -> None:
    box = copied(name, tmp_path)
    folder = box / "root" / gone
    if folder.is_dir():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
    assert findings_of(box)


@pytest.mark.parametrize("gone", ["env", "nvml", "disks", "network", "python", "clock"])
def test_box_with_answers_missing_is_still_judged(gone: str, tmp_path: Path) -> None:
    box = copied("healthy-two-3090-vast", tmp_path)
    (box / (gone if gone == "env" else f"{gone}.json")).unlink()
    assert findings_of(box)


def test_box_with_empty_and_garbled_files_is_still_judged(tmp_path: Path) -> None:
    box = copied("healthy-a100-autodl", tmp_path)
    files = [one for one in (box / "root").rglob("*") if one.is_file() and not one.is_symlink()]
    for file in files:
        file.write_bytes(b"\xff\xfe: -1 max\n\n=\x00")
    assert findings_of(box)
    for file in files:
        file.write_bytes(b"")
    assert findings_of(box)


@pytest.mark.parametrize("code", [3, 4, 15, 999])
def test_card_that_answers_nothing_is_still_judged(code: int, tmp_path: Path) -> None:
    """Not supported, not permitted, lost and unknown: each may come from any call."""
    box = copied("healthy-h100-lambda", tmp_path)
    answers = json.loads((box / "nvml.json").read_text(encoding="utf-8"))
    for name in answers["devices"][0]:
        changed = {**answers, "devices": [{**answers["devices"][0], name: {"error": code}}]}
        (box / "nvml.json").write_text(json.dumps(changed), encoding="utf-8")
        assert findings_of(box)


def test_gallery_is_large_and_its_faults_are_reported_ones() -> None:
    assert len(FAULTY) >= 30
    assert len(HEALTHY) >= 6
    sources = [case_of(folder).get("source", "") for folder in FAULTY]
    reported = [source for source in sources if source.startswith("https://github.com/")]
    assert len(reported) * 2 >= len(FAULTY)


@pytest.mark.parametrize("folder", BOXES, ids=lambda folder: folder.name)
def test_box_holds_raw_data_only(folder: Path) -> None:
    """No text of ours lies in a box: what is known of its fault stands in case.json alone."""
    names = {one.name for one in folder.iterdir()}
    known = {"root", "env", "case.json"} | {
        f"{name}.json" for name in ("nvml", "disks", "network", "python", "probes", "clock")
    }
    assert names <= known
    title = case_of(folder)["title"]
    files = [one for one in folder.rglob("*") if one.is_file() and one.name != "case.json"]
    assert not [one for one in files if title in one.read_text("utf-8", "replace")]
