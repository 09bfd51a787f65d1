"""Splits keep copies together and shares of kinds, mixtures keep weights; both by recipe."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cli.main import main
from engine.data.held_out import hold_out
from engine.data.mixture import mix, most_without_repeats
from engine.data.quality.compared import compare_rows
from engine.data.quality.duplicates import clusters
from engine.data.read import read_data
from engine.data.rows import Message, Row

WORDS = """
river stone winter copper garden engine silver market planet violin
harbor ticket island rocket candle forest mirror bridge saddle walnut
""".split()  # noqa: SIM905 -- one list of quoted words would be a page long


def sentence(number: int, length: int = 40) -> str:
    """A text that shares few words with those of other numbers."""
    own = chr(97 + number % 26) + chr(97 + number // 26 % 26)
    return " ".join(
        f"{WORDS[(number * 7 + k * k) % 20]}{own}{chr(97 + k % 26)}" for k in range(length)
    )


def row(record: int, question: str, answer: str) -> Row:
    return Row((Message("user", question), Message("assistant", answer)), record, record + 1)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_clusters_join_what_is_linked_by_a_row_between() -> None:
    words = [first + second for first in WORDS for second in ("ly", "ed", "er")]
    near = [" ".join(words[shift : shift + 45]) for shift in (0, 5, 10)]
    rows = [row(0, near[0], near[0]), row(1, sentence(2), "x"), row(2, near[1], near[1]),
            row(3, near[2], near[2]), row(4, sentence(2), "another answer")]  # fmt: skip
    ends = [rows[0], rows[3]]
    # The ends are too far apart to be joined without the row between them.
    assert len(set(clusters(*compare_rows(ends)).tolist())) == 2
    assert clusters(*compare_rows(rows)).tolist() == [0, 1, 0, 0, 1]


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=60),
    st.floats(0.05, 0.9),
    st.sampled_from(["group", "question", "random"]),
    st.integers(0, 5),
)
def test_no_question_straddles_and_the_share_is_kept(
    questions: list[int], share: float, by: Any, seed: int
) -> None:
    rows = [row(n, f"question {chr(97 + q)}", f"answer {n}") for n, q in enumerate(questions)]
    arrays = compare_rows(rows, system=False)
    found = hold_out(arrays, [""] * len(rows), share=share, by=by, seed=seed)
    held = {questions[n] for n in np.flatnonzero(found.is_held)}
    kept = {questions[n] for n in np.flatnonzero(~found.is_held)}
    if by != "random":
        assert not held & kept
    if by == "random" and len(rows) > 1:
        assert found.is_held.sum() == min(max(round(len(rows) * share), 1), len(rows) - 1)
    if len(set(questions)) > 1:
        assert held and kept
    again = hold_out(arrays, [""] * len(rows), share=share, by=by, seed=seed)
    assert (again.is_held == found.is_held).all()


def test_the_order_of_rows_decides_nothing() -> None:
    rows = [row(n, sentence(n), sentence(n + 50)) for n in range(40)]
    sides = []
    for order in (rows, rows[::-1]):
        found = hold_out(compare_rows(order), [""] * 40, share=0.25, by="group", seed=3)
        sides.append({order[n].record for n in np.flatnonzero(found.is_held)})
    assert sides[0] == sides[1] and len(sides[0]) == 10


def test_near_copies_stay_on_one_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for number in range(30):
        text = sentence(number)
        rows += [
            {"prompt": text, "completion": text},
            {"prompt": text + " indeed", "completion": text},
        ]
    path = write(tmp_path / "rows.jsonl", rows)
    assert main(["data", "split", str(path), "--eval-share", "0.2", "--json"]) == 0
    said = told(capsys)["data"]
    assert (said["num_groups"], said["num_grouped"]) == (30, 60)
    assert (said["num_train"], said["num_eval"]) == (48, 12)
    sides = [
        {one.user_text.removesuffix(" indeed") for one in read_data(said[name]).rows}
        for name in ("train", "eval")
    ]
    assert not sides[0] & sides[1]

    again = ["--train-out", str(tmp_path / "t"), "--eval-out", str(tmp_path / "e")]
    assert main(["data", "split", str(path), "--by", "random", "--force", *again]) == 2


def test_a_field_keeps_its_shares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"prompt": sentence(n), "completion": "yes", "topic": "rare" if n % 10 == 0 else "common"}
        for n in range(100)
    ]
    path = write(tmp_path / "rows.jsonl", rows)
    words = ["data", "split", str(path), "--eval-share", "0.2", "--json"]
    assert main([*words, "--stratify", "topic"]) == 0
    strata = {one["name"]: one["num_eval"] for one in told(capsys)["data"]["strata"]}
    assert strata == {"common": 18, "rare": 2}
    assert main([*words, "--stratify", "nothing", "--force"]) == 2
    assert main([*words, "--stratify", "prompt", "--force"]) == 2


@pytest.mark.parametrize("kind", ["length", "script"])
def test_length_and_script_keep_their_shares(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"prompt": sentence(n, 10), "completion": sentence(n + 200, 5 + n)} for n in range(36)]
    rows += [
        {"prompt": "\u95ee" + chr(0x4E00 + n) * 3, "completion": "\u7b54\u6848"} for n in range(12)
    ]
    path = write(tmp_path / "rows.jsonl", rows)
    words = ["data", "split", str(path), "--eval-share", "0.25", "--stratify", kind]
    assert main([*words, "--by", "random", "--json"]) == 0
    for one in told(capsys)["data"]["strata"]:
        assert one["num_eval"] == one["num_rows"] / 4, one


def test_a_split_is_made_again_by_its_recipe(tmp_path: Path) -> None:
    path = write(
        tmp_path / "rows.jsonl", [{"prompt": sentence(n), "completion": "a"} for n in range(40)]
    )
    assert main(["data", "split", str(path), "--seed", "9", "--by", "question"]) == 0
    first = [(tmp_path / f"rows.{side}.jsonl").read_bytes() for side in ("train", "eval")]
    recipe = tmp_path / "kept.toml"
    (tmp_path / "rows.split.recipe.toml").rename(recipe)
    assert main(["data", "split", str(path), "--recipe", str(recipe), "--force"]) == 0
    assert first == [(tmp_path / f"rows.{side}.jsonl").read_bytes() for side in ("train", "eval")]
    path.write_text(path.read_text() + '{"prompt": "new", "completion": "b"}\n')
    assert main(["data", "split", str(path), "--recipe", str(recipe), "--force"]) == 0


def test_rows_that_all_belong_together_are_not_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", [{"prompt": "a", "completion": str(n)} for n in range(5)])
    assert main(["data", "split", str(path)]) == 2
    assert "belong together" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]


@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.01, 10)), min_size=1, max_size=4),
    st.integers(1, 100),
    st.integers(0, 9),
)
def test_a_mixture_keeps_weights_and_takes_each_row_before_repeating(
    sets: list[tuple[int, float]], num_rows: int, seed: int
) -> None:
    sizes, weights = [size for size, _ in sets], [weight for _, weight in sets]
    made = mix(sizes, weights, num_rows, seed)
    assert len(made.order) == num_rows == sum(made.counts)
    times = Counter(made.order)
    for number, (size, weight) in enumerate(sets):
        assert abs(made.counts[number] - weight / sum(weights) * num_rows) < 1
        often = [times[number, index] for index in range(size)]
        assert max(often) - min(often) <= 1 and sum(often) == made.counts[number]
        assert made.num_repeated[number] == sum(max(one - 1, 0) for one in often)
    most = most_without_repeats(sizes, weights)
    assert not any(mix(sizes, weights, most, seed).num_repeated)
    assert mix(sizes, weights, num_rows, seed) == made


def test_mixing_says_repeats_and_is_made_again_by_its_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, count in (("a", 10), ("b", 3)):
        write(
            tmp_path / f"{name}.jsonl",
            [{"prompt": f"{name}{n}", "completion": "x"} for n in range(count)],
        )
    a, b, out = (str(tmp_path / name) for name in ("a.jsonl", "b.jsonl", "out.jsonl"))
    assert (
        main(["data", "mix", f"{a}=0.5", f"{b}=0.5", "--rows", "12", "--out", out, "--json"]) == 0
    )
    said = told(capsys)
    assert [one["num_rows"] for one in said["data"]["sources"]] == [6, 6]
    (finding,) = (one for one in said["findings"] if one["id"] == "data.mix-repeats")
    assert "3 of the 6 rows" in finding["message"]
    again = f"{out}.2.jsonl"
    assert main(["data", "mix", a, b, "--recipe", f"{out}.recipe.toml", "--out", again]) == 0
    assert Path(out).read_bytes() == Path(again).read_bytes()
    capsys.readouterr()
    assert main(["data", "mix", b, a, "--recipe", f"{out}.recipe.toml", "--out", f"{out}.3"]) == 2

    assert main(["data", "mix", a, b, "--out", f"{out}.4.jsonl", "--json"]) == 0
    assert told(capsys)["data"]["num_rows"] == 6


@pytest.mark.parametrize(
    "word", ["a.jsonl=x", "a.jsonl=0", "a.jsonl=-1", "a.jsonl=nan", "missing=1"]
)
def test_wrong_weights_and_files_are_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.jsonl"
        assert main(["data", "mix", word, "--out", str(out)]) == 2
        assert not out.exists()


def test_pairs_and_conversations_are_not_mixed_in_silence(tmp_path: Path) -> None:
    pairs = write(tmp_path / "p.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    chat = write(tmp_path / "c.jsonl", [{"prompt": "a", "completion": "b"}])
    out = tmp_path / "out.jsonl"
    assert main(["data", "mix", str(pairs), str(chat), "--out", str(out)]) == 2
    assert not out.exists()
