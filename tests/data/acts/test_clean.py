"""`tailfin data clean`: what is previewed is done, a recipe repeats it, undo takes it back."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from engine.data.read import read_data

ROWS = [
    {"prompt": "What is a cat?", "completion": "A <b>small</b> animal."},
    {"prompt": "What is a dog?", "completion": "I'm sorry, but I cannot help with that."},
    {"prompt": "what is a cat", "completion": "A <b>small</b> animal!"},
    {
        "prompt": "What is a bird?",
        "completion": "An animal \x1b]0;title\x07 that [red]flies[/red].",
    },
]
ACTS = ["--act", "drop:checks=data.refusals", "--act", "keep-first", "--act", "strip-html"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def clean(source: Path, *words: str) -> int:
    return main(["data", "clean", str(source), *words])


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_preview_writes_nothing_and_counts_what_would_be_done(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(source.parent.iterdir())
    assert clean(source, *ACTS, "--preview", "--json") == 0
    shown = told(capsys)["data"]
    assert sorted(source.parent.iterdir()) == before
    drop, first, strip = shown["acts"]
    assert (drop["num_dropped"], drop["reasons"]) == (1, {"data.refusals": 1})
    assert (first["num_given"], first["num_dropped"]) == (3, 1)
    assert strip["num_changed"] == 1
    assert strip["examples"][0]["diff"] == [
        " user: What is a cat?",
        "-assistant: A <b>small</b> animal.",
        "+assistant: A small animal.",
    ]
    assert shown["num_rows"] == 2 and shown["out"] == ""

    assert clean(source, *ACTS) == 0
    assert "Wrote 2 of 4 rows" in capsys.readouterr().out
    assert len(read_data(source.with_name("rows.clean.jsonl")).rows) == 2


def test_what_rows_hold_cannot_steer_the_terminal(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clean(source, "--act", "strip-control", "--preview") == 0
    said = capsys.readouterr().out
    assert "\\x1b]0;title\\x07" in said and "\x1b" not in said and "\x07" not in said


def test_a_recipe_gives_the_same_bytes_and_the_source_stays(source: Path) -> None:
    content = source.read_bytes()
    out, again = source.with_name("one.jsonl.gz"), source.with_name("two.jsonl.gz")
    assert clean(source, *ACTS, "--out", str(out)) == 0
    assert clean(source, "--recipe", f"{out}.recipe.toml", "--out", str(again)) == 0
    assert out.read_bytes() == again.read_bytes() and source.read_bytes() == content
    recipe = tomllib.loads(Path(f"{out}.recipe.toml").read_text())
    assert recipe["schema"] == "tailfin.recipe/1" and recipe["source"][0]["name"] == "rows.jsonl"
    assert [act["name"] for act in recipe["act"]] == ["drop", "keep-first", "strip-html"]
    assert (
        recipe["output"][0]["sha256"]
        == tomllib.loads(Path(f"{again}.recipe.toml").read_text())["output"][0]["sha256"]
    )


def test_another_source_is_refused_and_with_force_told(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = source.with_name("out.jsonl")
    assert clean(source, *ACTS, "--out", str(out)) == 0
    source.write_text(source.read_text() + json.dumps(ROWS[0]) + "\n")
    again = ["--recipe", f"{out}.recipe.toml", "--out", str(source.with_name("again.jsonl"))]
    assert clean(source, *again) == 2
    assert "is not the file that the recipe" in capsys.readouterr().err
    assert not source.with_name("again.jsonl").exists()
    assert clean(source, *again, "--force", "--json") == 0
    assert [f["id"] for f in told(capsys)["findings"]] == ["data.recipe-source"]
    # The new recipe is one of the file that it was used on.
    assert clean(source, "--recipe", str(source.with_name("again.jsonl.recipe.toml"))) == 0


def test_undo_goes_back_act_by_act(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = []
    for count in (0, 2, 4, 6):
        out = source.with_name(f"stage{count}.jsonl")
        assert clean(source, *(ACTS[:count] or ["--act", "strip-space"]), "--out", str(out)) == 0
        stages.append(out.read_bytes())
    for wanted in reversed(stages[:-1]):
        assert clean(source, "--undo", "--out", str(out)) == 0
        assert out.read_bytes() == wanted
    assert clean(source, "--undo", "--out", str(out)) == 2
    assert "no act left" in capsys.readouterr().err


def test_undo_does_not_write_over_what_a_person_changed(source: Path) -> None:
    out = source.with_name("out.jsonl")
    assert clean(source, *ACTS, "--out", str(out)) == 0
    out.write_text(out.read_text() + "\n")
    edited = out.read_text()
    assert clean(source, "--undo", "--out", str(out)) == 2
    assert out.read_text() == edited
    assert clean(source, "--undo", "--out", str(out), "--force") == 0


def test_the_source_is_never_the_output(source: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.jsonl"
    link.symlink_to(source)
    content = source.read_bytes()
    for name in (source, link):
        assert clean(source, *ACTS, "--out", str(name), "--force") == 2
    assert source.read_bytes() == content


def test_rows_that_cannot_be_read_stop_it_until_they_are_skipped(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source.write_text(source.read_text() + '{"prompt": "x"}\n')
    out = source.with_name("out.jsonl")
    assert clean(source, *ACTS, "--out", str(out)) == 1
    assert "lacked a field" in capsys.readouterr().err and not out.exists()
    assert clean(source, *ACTS, "--out", str(out), "--skip-bad-rows", "--json") == 0
    assert told(capsys)["data"]["num_left_out"] == 1
    # The recipe knows it; nobody has to say it again.
    assert clean(source, "--recipe", f"{out}.recipe.toml", "--out", f"{out}.2.jsonl") == 0


def test_pairs_stay_pairs(source: Path) -> None:
    pairs = [{"prompt": "a?", "chosen": "<b>x</b> y", "rejected": "<i>z</i> y"}]
    source.write_text(json.dumps(pairs[0]) + "\n")
    out = source.with_name("out.jsonl")
    assert clean(source, "--act", "strip-html", "--out", str(out)) == 0
    assert json.loads(out.read_text()) == {"prompt": "a?", "chosen": "x y", "rejected": "z y"}


def test_a_file_without_rows_is_not_written(source: Path) -> None:
    out = source.with_name("out.jsonl")
    assert clean(source, "--act", "filter:min_answer_chars=999", "--out", str(out)) == 2
    assert not out.exists() and not list(source.parent.glob(".*partial"))


@pytest.mark.parametrize(
    ("before", "after"),
    [("tailfin.recipe/1", "tailfin.recipe/9"), ('name = "drop"', 'name = "explode"'),
     ("[[act]]", "[[act"), ("checks", "cheques"), ('kind = "clean"', 'kind = "mix"')],
)  # fmt: skip
def test_a_wrong_recipe_is_refused(
    source: Path, before: str, after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = source.with_name("out.jsonl")
    assert clean(source, *ACTS, "--out", str(out)) == 0
    recipe = Path(f"{out}.recipe.toml")
    recipe.write_text(recipe.read_text().replace(before, after, 1))
    assert clean(source, "--recipe", str(recipe), "--out", f"{out}.2.jsonl") == 2
    assert str(recipe) in capsys.readouterr().err


def test_all_acts_are_listed(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert clean(source, "--act", "help") == 0
    assert "keep-first" in capsys.readouterr().out
