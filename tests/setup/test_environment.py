"""The environment is made once, sees its parent when it should, and knows when it is complete."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.setup.environment import (
    Stamp,
    make_environment,
    python_of,
    read_stamp,
    setup_key,
    write_stamp,
)

ROOT = Path(__file__).resolve().parents[2]


def test_the_key_follows_every_input(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    two.write_text("b")
    keys = {setup_key([one, two], "3.11"), setup_key([one], "3.11"), setup_key([one, two], "3.12")}
    one.write_text("c")
    keys.add(setup_key([one, two], "3.11"))
    assert len(keys) == 4


def test_a_stamp_covers_its_extras_and_no_more() -> None:
    stamp = Stamp("key", ("dev", "train"))
    assert stamp.covers("key", ["train"])
    assert not stamp.covers("key", ["train", "docs"])
    assert not stamp.covers("other", ["train"])


def test_a_stamp_fails_once_the_reused_torch_is_gone(tmp_path: Path) -> None:
    stamp = Stamp("key", ("train",), str(tmp_path / "torch"))
    assert not stamp.covers("key", ["train"])
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/version.py").touch()
    assert stamp.covers("key", ["train"])


def test_a_stamp_comes_back(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    write_stamp(tmp_path, Stamp("key", ("dev",), "/torch"))
    assert read_stamp(tmp_path) is None  # no interpreter: the environment was deleted or moved
    (tmp_path / "bin/python").touch()
    assert read_stamp(tmp_path) == Stamp("key", ("dev",), "/torch")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "k"}', '{"key": 1, "extras": null}'])
def test_a_damaged_stamp_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").touch()
    (tmp_path / "tailfin-setup.json").write_text(text)
    assert read_stamp(tmp_path) is None


@pytest.mark.slow
def test_an_environment_is_kept_while_it_works(tmp_path: Path) -> None:
    environment = tmp_path / "env"
    assert make_environment(environment, see_parent=False)
    assert not make_environment(environment, see_parent=False)
    python_of(environment).unlink()
    python_of(environment).symlink_to("/no/such/python")
    assert make_environment(environment, see_parent=False)


def test_a_parent_that_is_an_environment_shines_through(tmp_path: Path) -> None:
    parent, child = tmp_path / "parent", tmp_path / "child"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(parent)], check=True)
    (site,) = parent.glob("lib/python*/site-packages")
    (site / "only_in_parent.py").write_text("value = 7\n")
    make = (
        "from pathlib import Path\nfrom engine.setup.environment import make_environment\n"
        f"make_environment(Path({str(child)!r}), see_parent=True)\n"
    )
    subprocess.run([python_of(parent), "-c", make], check=True, cwd=ROOT)
    seen = subprocess.run(
        [python_of(child), "-c", "import only_in_parent; print(only_in_parent.value)"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(seen.stdout) == 7


def test_a_folder_that_cannot_hold_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TailfinError) as caught:
        make_environment(tmp_path / "file" / "env", see_parent=False)
    assert caught.value.where == str(tmp_path / "file" / "env")
