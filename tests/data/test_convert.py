"""Rows converted to any layout and container read back equal, and what is left out is told."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.cli.main import main
from engine.data.formats.layouts import LAYOUTS, CannotHold, choose_form, hold
from engine.data.formats.written import Toll, write_rows
from engine.data.read import read_data
from engine.data.rows import Message, Row

ENDINGS = [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".csv.zst", ".parquet.gz"]
# NUL aside: a file with many of them counts as binary.
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30
).filter(lambda text: bool(text.strip()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def plain_rows(draw: st.DrawFn) -> tuple[Message, ...]:
    messages = [Message("system", draw(texts))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages += [Message("user", draw(texts)), Message("assistant", draw(texts))]
    return tuple(messages)


@st.composite
def rows_with_tools(draw: st.DrawFn) -> tuple[tuple[Message, ...], str]:
    call: dict[str, Any] = {"type": "function"}
    if draw(st.booleans()):
        call["id"] = draw(texts)
    call["function"] = {"name": draw(texts), "arguments": draw(json_values)}
    messages = (
        Message("user", draw(texts)),
        Message("assistant", "", json.dumps([call], ensure_ascii=False)),
        Message("tool", draw(texts)),
        Message("assistant", draw(texts)),
    )
    tool = {"type": "function", "function": {"name": "f", "parameters": draw(json_values)}}
    return messages, draw(st.sampled_from(["", json.dumps([tool], ensure_ascii=False)]))


def converted(rows: list[Row], layout: str, ending: str) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"out{ending}"
        toll = Toll()
        assert write_rows(rows, out, out, choose_form(layout, rows), toll) == len(rows)
        assert not toll.refused
        return list(read_data(out).rows)


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(plain_rows(), min_size=1, max_size=4),
    st.sampled_from(["messages", "sharegpt", "alpaca", "prompt_completion"]),
    st.sampled_from(ENDINGS),
)
def test_conversations_read_back_equal(
    turns: list[tuple[Message, ...]], layout: str, ending: str
) -> None:
    rows = [Row(messages, number, 0) for number, messages in enumerate(turns)]
    assert [row.messages for row in converted(rows, layout, ending)] == turns


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(rows_with_tools(), min_size=1, max_size=3),
    st.sampled_from(["messages", "sharegpt"]),
    st.sampled_from(ENDINGS),
)
def test_calls_and_tools_read_back_equal(
    given_rows: list[tuple[tuple[Message, ...], str]], layout: str, ending: str
) -> None:
    rows = [Row(turns, number, 0, (), tools) for number, (turns, tools) in enumerate(given_rows)]
    back = converted(rows, layout, ending)
    assert [_meant(row) for row in back] == [_meant(row) for row in rows]


def _meant(row: Row) -> tuple[object, ...]:
    calls = [json.loads(m.tool_calls) if m.tool_calls else None for m in row.messages]
    return [(m.role, m.content) for m in row.messages], calls, row.tools and json.loads(row.tools)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(plain_rows(), texts), min_size=1, max_size=4), st.sampled_from(ENDINGS))
def test_pairs_read_back_equal(pairs: list[tuple[tuple[Message, ...], str]], ending: str) -> None:
    rows = [
        Row(messages, number, 0, (Message("assistant", worse),))
        for number, (messages, worse) in enumerate(pairs)
    ]
    back = converted(rows, "preference", ending)
    assert [(row.messages, row.rejected) for row in back] == [
        (r.messages, r.rejected) for r in rows
    ]


def test_one_form_serves_all_rows_of_a_file() -> None:
    plain = Row((Message("user", "a"), Message("assistant", "b")), 0, 1)
    longer = Row((Message("system", "s"), *plain.messages), 1, 2)
    assert not choose_form("prompt_completion", [plain]).turns
    form = choose_form("prompt_completion", [plain, longer])
    assert all(isinstance(hold(row, form).record["prompt"], list) for row in (plain, longer))


@pytest.mark.parametrize(
    "layout", [name for name in LAYOUTS if name not in ("messages", "sharegpt")]
)
def test_tools_are_refused_where_there_is_no_place(layout: str) -> None:
    row = Row(
        (Message("user", "a"), Message("assistant", "b")), 0, 1, (Message("assistant", "c"),), "[]x"
    )
    with pytest.raises(CannotHold):
        hold(row, choose_form(layout, [row]))


GOOD = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


def write(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_refused_rows_stop_the_command_until_they_are_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write(tmp_path, GOOD, {**GOOD, "tools": TOOLS}), tmp_path / "out.csv"
    words = ["data", "convert", str(path), str(out), "--to", "alpaca", "--json"]
    assert main(words) == 1
    told = json.loads(capsys.readouterr().out)
    (finding,) = (f for f in told["findings"] if f["id"] == "data.convert-refused")
    assert finding["severity"] == "fail" and "1 row offered or called tools" in finding["message"]
    assert "line 2" in finding["message"] and not out.exists()

    assert main([*words, "--skip-bad-rows"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["num_left_out"] == 1
    assert [row.answer_text for row in read_data(out).rows] == ["So."]


def test_the_worse_answer_is_not_lost_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"prompt": "a", "chosen": "b", "rejected": "c"})
    assert main(["data", "convert", str(path), str(tmp_path / "out.jsonl")]) == 0
    assert "1 row lost the worse answer of its pair" in capsys.readouterr().out


def test_an_unknown_ending_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "convert", "missing.jsonl", str(tmp_path / "out.docx")]) == 2
    assert "names no container" in capsys.readouterr().err


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    path = write(tmp_path, *[GOOD] * 5)
    for ending in ENDINGS:
        made = []
        for name in ("one", "two"):
            out = tmp_path / name / f"out{ending}"
            out.parent.mkdir(exist_ok=True)
            assert main(["data", "convert", str(path), str(out)]) == 0
            made.append(out.read_bytes())
        assert made[0] == made[1], ending


def test_llama_factory_keeps_the_other_entries(tmp_path: Path) -> None:
    listed = tmp_path / "dataset_info.json"
    listed.write_text(json.dumps({"mine": {"file_name": "mine.json"}}))
    out = tmp_path / "chat.jsonl"
    words = ["data", "convert", str(write(tmp_path, GOOD)), str(out), "--to", "sharegpt"]
    assert main([*words, "--register", "llama-factory"]) == 0
    assert json.loads(listed.read_text()) == {
        "mine": {"file_name": "mine.json"},
        "chat": {
            "file_name": "chat.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations"},
        },
    }


@pytest.mark.parametrize("content", ["{broken", "[1]"])
def test_a_broken_list_of_data_sets_is_left_alone(tmp_path: Path, content: str) -> None:
    listed, out = tmp_path / "dataset_info.json", tmp_path / "chat.jsonl"
    listed.write_text(content)
    words = ["data", "convert", str(write(tmp_path, GOOD)), str(out)]
    assert main([*words, "--register", "llama-factory"]) == 2
    assert listed.read_text() == content and not out.exists()


def test_axolotl_is_told_field_and_mapping(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    out = tmp_path / 'a "chat": #1.jsonl'
    words = ["data", "convert", str(write(tmp_path, GOOD)), str(out), "--to", "sharegpt"]
    assert main([*words, "--register", "axolotl"]) == 0
    assert yaml.safe_load(Path(f"{out}.axolotl.yaml").read_text()) == {
        "datasets": [
            {
                "path": str(out),
                "ds_type": "json",
                "type": "chat_template",
                "field_messages": "conversations",
                "message_property_mappings": {"role": "from", "content": "value"},
            }
        ]
    }


def test_what_another_tool_would_misread_is_not_registered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chat.jsonl"
    words = ["data", "convert", str(write(tmp_path, {**GOOD, "tools": TOOLS})), str(out)]
    assert main([*words, "--register", "llama-factory"]) == 2
    assert "--to sharegpt" in capsys.readouterr().err and not out.exists()
    assert main([*words, "--register", "axolotl"]) == 0
