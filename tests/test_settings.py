"""Layering: who wins, where each value came from, and what a fault looks like."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import TailfinError
from engine.profiles import load_profile, profile_names
from engine.settings import layer, load_spec, parse_set, spec_to_toml
from engine.spec import Spec, field_help, field_paths


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_command_line_beats_file_beats_profile_beats_default(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        'profile = "qlora"\n[model]\npath = "m"\n[data]\npath = "d"\n'
        "[train]\nrank = 4\nlearning_rate = 1e-3\n",
    )
    resolved = load_spec(path, ["train.rank=64"])
    spec, sources = resolved.spec, resolved.sources
    assert (spec.train.rank, sources["train.rank"]) == (64, "command line")
    assert (spec.train.learning_rate, sources["train.learning_rate"]) == (1e-3, str(path))
    assert (spec.train.method, sources["train.method"]) == ("qlora", "profile qlora")
    assert sources["train.seed"] == "default"


def test_every_fault_is_named_at_once_with_file_line_and_field(tmp_path: Path) -> None:
    path = _file(
        tmp_path, '[model]\npath = "m"\n\n[train]\nrnk = 16\nalpha = -1\n[data]\npath = "d"\n'
    )
    with pytest.raises(TailfinError) as caught:
        load_spec(path)
    text = str(caught.value)
    assert "train.rnk: is not a setting, did you mean train.rank?" in text
    assert f"{path}:5" in text and f"{path}:6" in text and "train.alpha" in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "lines",
    [
        ["[train] # how it is trained", "rank = 0"],
        ["[ train ]", "", "rank=0 # none"],
        ["train.rank = 0"],
        ["train . 'rank' = 0"],
        ['["train"]', "# rank = 1", '"rank" = 0'],
    ],
)
def test_a_field_is_found_in_every_spelling_of_its_place(tmp_path: Path, lines: list[str]) -> None:
    others = ['model.path = "m"', 'data.path = "d"']
    path = _file(tmp_path, "\n".join([*others, *lines]))
    with pytest.raises(TailfinError) as caught:
        load_spec(path)
    assert caught.value.where == f"{path}:{len(others) + len(lines)}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[train\nrank=1", "not valid TOML"),
        ('[data]\npath = "d"', "model: is required"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TailfinError, match=said):
        load_spec(_file(tmp_path, text))


def test_a_missing_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(TailfinError, match="does not exist"):
        load_spec(tmp_path / "none.toml")


def test_set_words_take_toml_values_and_bare_words() -> None:
    table = parse_set(["train.rank=8", "train.dora=true", "model.path=org/name", "name='x'"])
    assert table == {
        "train": {"rank": 8, "dora": True},
        "model": {"path": "org/name"},
        "name": "x",
    }
    with pytest.raises(TailfinError, match="field=value"):
        parse_set(["train.rank"])


@pytest.mark.parametrize(
    "text", ["2024-11-23", "2024-11-23T10:00:00Z", "2024-11-23 10:00:00", "10:30:00"]
)
def test_a_date_is_the_text_it_is(text: str) -> None:
    assert parse_set([f"name={text}"]) == {"name": text}
    assert parse_set([f"name= {text} # today"]) == {"name": text}


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_is_a_valid_spec_with_a_summary(name: str) -> None:
    base = {"model": {"path": "m"}, "data": {"path": "d"}, "profile": name}
    resolved = layer([("test", base)])
    assert load_profile(name).summary
    assert any(source == f"profile {name}" for source in resolved.sources.values())


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(TailfinError, match="qlora"):
        load_profile("nonsense")


def test_every_setting_has_a_sentence_of_help() -> None:
    for path in field_paths():
        assert field_help(path).rstrip().endswith("."), path


@given(
    rank=st.integers(1, 1024),
    rate=st.floats(1e-8, 1.0),
    system=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    columns=st.dictionaries(st.text("abc. \"'", min_size=1), st.text(max_size=10), max_size=3),
)
def test_a_written_spec_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    rank: int,
    rate: float,
    system: str,
    columns: dict[str, str],
) -> None:
    values = {
        "model": {"path": "m"},
        "data": {"path": "d", "system": system, "columns": columns},
        "train": {"rank": rank, "learning_rate": rate},
    }
    spec = Spec.model_validate(values)
    path = tmp_path_factory.mktemp("spec") / "spec.toml"
    path.write_text(spec_to_toml(spec), encoding="utf-8")
    assert load_spec(path).spec == spec
