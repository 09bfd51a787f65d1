"""No light command loads the training stack or the screens: read from sys.modules itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "accelerate",
    "bitsandbytes",
    "datasets",
    "peft",
    "textual",
    "torch",
    "transformers",
    "trl",
}
# Runs one command line the way the console script does, then says what was loaded.
RUNNER = """
import json, os, sys
sys.argv = ["tailfin", *json.loads(sys.argv[1])]
from tui.__main__ import main
try:
    code = main()
except SystemExit as leave:
    code = leave.code
sys.stdout.flush()
os.write(3, json.dumps({"code": code, "modules": sorted(sys.modules)}).encode())
"""
LINES = [
    ["--help"],
    ["--version"],
    ["doctor", "--json"],
    ["profiles", "list"],
    *([name, "--help"] for name in COMMANDS),
]


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_light_command_loads_nothing_heavy(line: list[str], tmp_path: Path) -> None:
    code, modules = loaded_by(line, tmp_path)
    assert code in (0, 1) if line == ["doctor", "--json"] else code == 0
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()


def test_the_runner_sees_a_heavy_import(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("")
    command = [sys.executable, "-c", "import torch\n" + RUNNER, json.dumps(["--version"])]
    _, modules = _run(command, {"PYTHONPATH": f"{tmp_path}:{ROOT}"}, tmp_path)
    assert "torch" in modules


def loaded_by(line: list[str], cwd: Path) -> tuple[int | None, list[str]]:
    """Exit code and loaded modules of `tailfin LINE`."""
    command = [sys.executable, "-c", RUNNER, json.dumps(line)]
    return _run(command, {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}, cwd)


def _run(
    command: list[str], environment: dict[str, str], cwd: Path
) -> tuple[int | None, list[str]]:
    report = cwd / "report.json"
    quoted = ["/bin/sh", "-c", 'exec "$@" 3>"$0"', str(report), *command]
    base = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"}
    done = subprocess.run(
        quoted, check=False, cwd=cwd, env=base | environment, capture_output=True, text=True
    )
    assert report.read_text(), done.stderr
    answer = json.loads(report.read_text())
    return answer["code"], answer["modules"]
