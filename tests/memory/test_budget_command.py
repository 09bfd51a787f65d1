"""`tailfin budget`, run as a program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.memory.shapes import LLAMA_8B_CONFIG

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B_CONFIG))
    return tmp_path


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", "budget", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def _data(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    answer = json.loads(done.stdout)
    assert answer["schema"] == "tailfin.budget/1"
    data: dict[str, Any] = answer["data"]
    return data


def test_json_holds_what_it_promises(model: Path) -> None:
    words = ["--model", str(model), "--card", "A100 80GB", "--method", "qlora"]
    done = _run(*words, "--max-length", "2048", "--json")
    data = _data(done)
    assert done.returncode == 0
    assert data["tier"] == "estimate"
    assert data["fits"] is True
    assert data["fixes"] == []
    assert data["num_params"] == 8_030_261_248
    assert data["length"] == 2048
    assert set(data["phases"]) == {"load", "train", "eval", "save"}
    assert data["peak_gib"] == max(p["process_gib"] for p in data["phases"].values())
    assert sum(data["components"].values()) == pytest.approx(data["phases"]["train"]["process_gib"])
    assert data["card"]["usable_gib"] == 79.14
    assert data["disk_gib"]["checkpoints"] == pytest.approx(4 * data["disk_gib"]["checkpoint"])


def test_too_much_exits_one_and_says_what_helps(model: Path) -> None:
    words = ["--model", str(model), "--gpu-gib", "12", "--max-length", "2048"]
    done = _run(*words, "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert answer["ok"] is False
    verdict = next(f for f in answer["findings"] if f["id"] == "budget.verdict")
    assert verdict["severity"] == "fail"
    best = answer["data"]["fixes"][0]
    assert best["fits"]
    fixed = [word for pair in best["sets"] for word in ("--set", pair)]
    assert _run(*words, *fixed).returncode == 0


def test_text_names_components_phases_and_verdict(model: Path) -> None:
    done = _run("--model", str(model), "--card", "t4", "--method", "qlora")
    for word in ("base weights", "optimizer", "load", "process", "fragmentation", "Fits", "RAM"):
        assert word in done.stdout
    assert "1024 tokens per row were assumed" in done.stdout
    assert max(map(len, done.stdout.splitlines()[1:18])) <= 80


def test_without_a_gpu_it_compares_with_ram(model: Path) -> None:
    done = _run("--model", str(model), "--method", "qlora")
    assert "compared with RAM" in done.stderr


def test_a_spec_file_is_read(model: Path, tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(
        f'[model]\npath = "{model}"\n[data]\npath = "rows.jsonl"\nmax_length = 512\n'
        '[train]\nmethod = "freeze"\n'
    )
    data = _data(_run(str(spec), "--card", "H200", "--json"))
    assert data["method"] == "freeze"
    assert data["length"] == 512


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "model"),
        (("--model", "MODEL", "--card", "nothing"), "--card"),
        (("--model", "MODEL", "--set", "train.targets=foo"), "train.targets"),
        (("--model", "MODEL", "--set", "train.rank=zero"), "train.rank"),
        (("--model", "no/such/model"), "no/such/model"),
    ],
)
def test_mistakes_exit_two_and_name_the_field(
    model: Path, words: tuple[str, ...], said: str
) -> None:
    done = _run(*(str(model) if word == "MODEL" else word for word in words))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_architecture_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**LLAMA_8B_CONFIG, "model_type": "rwkv"}))
    done = _run("--model", str(tmp_path), "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 2
    assert answer["data"] == {}
    assert answer["findings"][0]["id"] == "budget.not-modelled"


def test_the_frontier_and_the_cards_stand_in_data_and_in_text(model: Path) -> None:
    words = ["--model", str(model), "--card", "A100 40GB", "--max-length", "2048"]
    data = _data(_run(*words, "--frontier", "--cards", "--json"))
    assert [corner["length"] for corner in data["frontier"]] == [256, 512, 1024, 2048, 4096, 8192]
    assert all(c["roomy"]["rows"] <= c["largest"]["rows"] for c in data["frontier"])
    assert data["smallest_card"] in {card["name"] for card in data["cards"]}
    assert {card["verdict"] for card in data["cards"]} == {"fits", "tight", "no"}
    text = _run(*words, "--frontier", "--cards").stdout
    assert "just fits" in text
    assert f"The smallest card that holds it is {data['smallest_card']}" in text
    assert not {"frontier", "cards"} & set(_data(_run(*words, "--json")))
