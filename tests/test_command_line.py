"""The command line that is shown makes the very run that was chosen."""

from __future__ import annotations

import argparse
import shlex
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cli import train
from engine.cli.spec_arguments import resolve_spec
from engine.command_line import set_words, shell_line, train_words
from engine.fields import describe, parse
from engine.settings import layer, with_absolute_paths
from engine.spec import OVERRIDABLE, Spec, field_paths

AWKWARD = [
    *("a b", "it's", 'say "x"', "名前", "a=b", "-x", "--", "--json", "-1", "123", "1e5", "true"),
    *("2024-11-23", "10:30:00", "[a]", "{a = 1}", "nan", " lead", "trail ", "# no", "a # b", "'x'"),
    *("'''", '"""', "\\n", "new\nline", "tab\t", "\x7f", "$HOME `id` !1", "*", "é", "0x10"),
    *("1_000", "inf", "+1", "0o7", "a, b"),
]
TEXT = st.one_of(
    st.sampled_from(AWKWARD), st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)


def _read(words: list[str]) -> Spec:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    train.configure(parser)
    assert words[0] == "train"
    return resolve_spec(parser.parse_args(words[1:])).spec


def _chosen(choices: dict[str, object]) -> Spec:
    nested: dict[str, Any] = {}
    for path, value in choices.items():
        section, _, name = path.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = value
    return with_absolute_paths(layer([("you", nested)]), None).spec


def _values(path: str) -> st.SearchStrategy[object]:
    field = describe(path)
    match field.kind:
        case "switch":
            return st.booleans()
        case "choice":
            return st.sampled_from([parse(path, choice) for choice in field.choices])
        case "table":
            return st.dictionaries(TEXT, TEXT, max_size=3)
        case "integer":
            return st.integers(int(field.low or 0), int(field.high or 2**53))
        case "number":
            low, high = field.low or 0.0, field.high or 1e20
            return st.floats(
                low, high, exclude_min="above" in field.bounds, exclude_max="below" in field.bounds
            )
    if path == "name":
        return st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
    if path == "data.allow":
        return st.lists(st.sampled_from(OVERRIDABLE), unique=True).map(",".join)
    # A null byte is in no path and in no argument.
    text = TEXT.filter(lambda words: "\0" not in words)
    return text.filter(bool) if path in ("model.path", "data.path") else text


@st.composite
def _choices(draw: st.DrawFn) -> dict[str, object]:
    # dora and warm-up have rules with other settings, which is not what is tested here
    free = [p for p in field_paths() if p not in ("train.dora", "train.warmup")]
    paths = draw(st.lists(st.sampled_from(free), unique=True, max_size=8))
    paths += [path for path in ("model.path", "data.path") if path not in paths]
    return {path: draw(_values(path)) for path in paths}


@given(_choices())
def test_the_words_give_the_same_spec(choices: dict[str, object]) -> None:
    assert _read(train_words(choices)) == _chosen(choices)


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("path", ["model.path", "data.path", "data.system", "train.targets"])
def test_an_awkward_text_goes_through(path: str, text: str) -> None:
    choices: dict[str, object] = {"model.path": "m", "data.path": "d", path: text}
    assert _read(train_words(choices)) == _chosen(choices)


@given(st.lists(TEXT.filter(lambda words: "\0" not in words), max_size=5))
def test_a_shell_reads_the_line_as_these_words(words: list[str]) -> None:
    assert shlex.split(shell_line(words)) == ["tailfin", *words]


def test_a_real_shell_reads_the_line_as_these_words() -> None:
    line = shell_line(train_words({"model.path": "m", "data.system": "".join(AWKWARD)}))
    script = f"tailfin() {{ printf '%s\\0' \"$@\"; }}; {line}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=10)
    assert done.stdout.decode().split("\0")[:-1] == shlex.split(line)[1:]


def test_short_flags_come_first_and_plain_values_stay_plain() -> None:
    words = train_words(
        {
            "train.learning_rate": 5e-5,
            "train.rank": 8,
            "data.max_length": 512,
            "train.epochs": 3.0,
            "data.path": "rows.jsonl",
            "model.path": "org/model",
            "model.dtype": "float16",
            "train.dora": True,
        }
    )
    assert shell_line(words) == (
        "tailfin train --model org/model --data rows.jsonl --epochs 3 --max-length 512 "
        "--set model.dtype=float16 --set train.rank=8 --set train.dora=true "
        "--set train.learning_rate=0.00005"
    )


def test_a_spec_file_comes_first_and_is_no_option() -> None:
    assert train_words({"train.rank": 4}, spec_file="a b.toml") == [
        *("train", "a b.toml", "--set", "train.rank=4"),
    ]
    assert train_words({}, spec_file="-x.toml") == ["train", "./-x.toml"]


def test_set_words_are_what_set_reads() -> None:
    assert set_words({"train.micro_batch": 4, "name": "7"}) == [
        *("--set", "train.micro_batch=4", "--set", 'name="7"'),
    ]
