"""What a form is told of each setting, and what becomes of what a person types."""

from __future__ import annotations

import dataclasses
import math
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import TailfinError
from engine.fields import ESSENTIAL, all_fields, applies, describe, parse, written
from engine.settings import layer
from engine.spec import Spec, field_help, field_paths

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
# what `name` may hold
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


def _spec(**values: object) -> Spec:
    base = {"model.path": "org/m", "data.path": "d.jsonl"} | {
        path.replace("__", "."): value for path, value in values.items()
    }
    nested: dict[str, dict[str, object]] = {}
    for path, value in base.items():
        section, _, name = path.partition(".")
        nested.setdefault(section, {})[name] = value
    return layer([("test", nested)]).spec


def _values(path: str) -> st.SearchStrategy[object]:
    """Anything the spec takes at a path."""
    field = describe(path)
    match field.kind:
        case "switch":
            return st.booleans()
        case "choice":
            return st.sampled_from([parse(path, choice) for choice in field.choices])
        case "table":
            return st.dictionaries(TEXT, TEXT, max_size=4)
        case "integer":
            return st.integers(int(field.low or 0), int(field.high or 2**53))
        case "number":
            low, high = field.low or 0.0, field.high or 1e300
            return st.floats(
                low, high, exclude_min="above" in field.bounds, exclude_max="below" in field.bounds
            )
        case "text":
            if path == "name":
                return NAMES
            return TEXT.filter(bool) if path in ("model.path", "data.path") else TEXT


def test_every_setting_is_described() -> None:
    fields = all_fields()
    assert [field.path for field in fields] == field_paths()
    labels = [field.label for field in fields]
    assert len(set(labels)) == len(labels)
    for field in fields:
        assert 0 < len(field.label) <= 24, field.label
        assert "_" not in field.label
        assert field.help == field_help(field.path)
        assert bool(field.choices) == (field.kind == "choice")
        if field.kind in ("integer", "number"):
            assert field.low is not None and field.bounds


def test_what_a_form_reads_of_a_few() -> None:
    rank = describe("train.rank")
    assert dataclasses.astuple(rank)[:8] == (
        *("train.rank", "train", "rank", "integer", (), 1, 1024, "1 to 1024"),
    )
    assert rank.default == "16"
    assert describe("train.learning_rate").bounds == "above 0, at most 1"
    assert describe("train.learning_rate").default == "0.0002"
    assert describe("train.dropout").bounds == "0 or more, below 1"
    assert describe("save.every_minutes").bounds == "0 or more"
    assert describe("train.quantize_bits").choices == ("4", "8")
    assert describe("train.micro_batch").label == "micro-batch"
    assert describe("train.gradient_checkpointing").label == "gradient checkpointing"
    assert describe("profile").section == ""
    assert "lora" in describe("profile").choices
    assert describe("model.path").default == ""
    assert len(ESSENTIAL) == len(set(ESSENTIAL)) == 12
    assert set(ESSENTIAL) <= set(field_paths())


@pytest.mark.parametrize("path", ["train.rnk", "train", "rank", "", "nothing.at.all"])
def test_an_unknown_path_is_an_error(path: str) -> None:
    with pytest.raises(TailfinError, match="is not a setting"):
        describe(path)


@pytest.mark.parametrize("path", field_paths())
def test_a_default_is_typed_the_way_it_reads(path: str) -> None:
    section, _, name = path.rpartition(".")
    part = getattr(_spec(), section) if section else _spec()
    if path not in ("model.path", "data.path"):
        assert parse(path, describe(path).default) == getattr(part, name)


@given(st.data())
def test_what_is_written_reads_back(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(field_paths()))
    value = data.draw(_values(path))
    read = parse(path, written(value))
    assert read == value
    assert type(read) is type(value)


@given(st.sampled_from(field_paths()), st.text(max_size=30))
def test_whatever_is_typed_is_a_value_or_one_message(path: str, text: str) -> None:
    try:
        value = parse(path, text)
    except TailfinError as error:
        assert error.where in (path, text)
        assert error.message.isprintable()
    else:
        assert not isinstance(value, float) or math.isfinite(value)
        _spec(**{path.replace(".", "__"): value}) if "." in path else layer(
            [("test", {path: value, "model": {"path": "m"}, "data": {"path": "d"}})]
        )


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("train.rank", "0", "rank must be 1 to 1024 (got 0)."),
        ("train.rank", "1.5", "rank must be a whole number, 1 to 1024 (got 1.5)."),
        ("train.rank", "", "rank must be a whole number, 1 to 1024."),
        ("train.rank", "true", "rank must be a whole number, 1 to 1024 (got true)."),
        ("train.learning_rate", "2", "learning rate must be above 0, at most 1 (got 2)."),
        ("train.epochs", "nan", "epochs must be a number, above 0, at most 1000 (got nan)."),
        ("save.every_minutes", "inf", "must be a number, 0 or more (got inf)."),
        ("train.method", "LORA", "method must be lora, qlora, full or freeze (got LORA)."),
        ("train.quantize_bits", "5", "bits of the base must be 4 or 8 (got 5)."),
        ("data.packing", "maybe", "packing must be true or false (got maybe)."),
        ("model.path", "", "base model must be filled in."),
        ("name", "my run", "name of the run must be 1 to 64 letters, digits"),
        ("data.columns", "prompt", "columns must be pairs such as prompt = question"),
        ("data.columns", '"a\\x" = b', "columns must be pairs"),
        ("train.rank", "\x1b[31m9", "(got \\x1b[31m9)."),
        ("train.rank", "9" * 5000, "9...)."),
        ("profile", "lorra", "profile must be cpu-demo, freeze, full"),
        ("profile", "mine.toml", "There is no profile 'mine.toml'."),
    ],
)
def test_a_slip_names_field_and_bounds(path: str, text: str, said: str) -> None:
    with pytest.raises(TailfinError) as caught:
        parse(path, text)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("train.rank", " 32 ", 32),
        ("train.rank", "３２", 32),  # noqa: RUF001
        ("train.dropout", "０．５", 0.5),  # noqa: RUF001
        ("train.learning_rate", "2e-4", 0.0002),
        ("train.epochs", "3", 3.0),
        ("data.packing", "Yes", True),
        ("train.quantize_bits", "8", 8),
        ("profile", "", ""),
        ("data.system", " keep  spaces ", " keep  spaces "),
        (
            "data.columns",
            'prompt=问题,completion = "a, b"',
            {"prompt": "问题", "completion": "a, b"},
        ),
        ("data.columns", '{prompt = "question"}', {"prompt": "question"}),
        ("data.columns", "", {}),
    ],
)
def test_what_people_type_is_understood(path: str, text: str, value: object) -> None:
    assert parse(path, text) == value


def test_numbers_are_written_as_people_type_them() -> None:
    typed = [2e-4, 5e-5, 1e-8, 1e-12, 1.5e-13, 3.0, 0.0, -0.5, 1e22, 4096.0]
    assert [written(value) for value in typed] == [
        *("0.0002", "0.00005", "0.00000001", "1e-12", "1.5e-13", "3", "0", "-0.5", "1e22", "4096"),
    ]
    assert [written(True), written(7), written("a b"), written({"a": "b c", "d": "e,f"})] == [
        *("true", "7", "a b", 'a = b c, d = "e,f"'),
    ]


def test_only_what_changes_something_applies() -> None:
    lora, qlora, eight = (
        _spec(),
        _spec(train__method="qlora"),
        _spec(train__method="qlora", train__quantize_bits=8),
    )
    full, freeze = _spec(train__method="full"), _spec(train__method="freeze")
    where = {
        path: [applies(path, spec) for spec in (lora, qlora, eight, full, freeze)]
        for path in field_paths()
    }
    adapters = ("rank", "alpha", "dropout", "targets", "rslora", "dora")
    for name in adapters:
        assert where[f"train.{name}"] == [True, True, True, False, False], name
    assert where["train.quantize_bits"] == [False, True, True, False, False]
    assert where["train.double_quant"] == [False, True, False, False, False]
    assert where["train.trainable_layers"] == [False, False, False, False, True]
    assert all(where["train.learning_rate"])
    assert not applies("train.epochs", _spec(train__max_steps=50))
    assert not applies("data.eval_fraction", _spec(data__eval_path="e.jsonl"))
    nothing_held_out = _spec(data__eval_fraction=0.0)
    assert applies("data.eval_fraction", nothing_held_out)
    assert not applies("eval.keep_best", nothing_held_out)
    assert applies("eval.min_delta", _spec(eval__patience=2))
    assert not applies("eval.min_delta", lora)
    assert not applies("model.revision", _spec(model__path="/models/m"))


def test_no_unknown_kind_of_setting_slips_in() -> None:
    kinds = typing.get_args(typing.get_type_hints(type(describe("name")))["kind"])
    assert {field.kind for field in all_fields()} == set(kinds)
