"""What somebody gets who only presses Enter, on cards of every size."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.memory.cards import Card, find_card, known_cards
from engine.memory.estimate import estimate
from engine.memory.model_shape import ModelShape, read_shape
from engine.settings import layer, load_spec
from engine.spec import Spec
from engine.suggest import Suggestion, suggest, suggested_layer
from tests.memory.shapes import LLAMA_8B, LLAMA_8B_CONFIG, MIXTURE, SMALL

ROOT = Path(__file__).resolve().parents[1]
RAM = Card("RAM", 16.0, (0, 0), 0.0, is_gpu=False, taken_gib=4.0)
QWEN_1_5B = read_shape(
    {
        "model_type": "qwen2",
        "vocab_size": 151936,
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": True,
    }
)
LLAMA_70B = read_shape(
    LLAMA_8B_CONFIG
    | {
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
    }
)


def _spec(chosen: dict[str, Any] | None = None, suggested: dict[str, object] | None = None) -> Spec:
    base = {"model.path": "m", "data.path": "d"} | (chosen or {})
    table = suggested_layer([Suggestion(path, value, "") for path, value in base.items()])
    return layer([("you", table), ("suggested", suggested or {})]).spec


def _ask(
    shape: ModelShape,
    card: Card,
    length: int = 1024,
    num_rows: int = 0,
    chosen: dict[str, Any] | None = None,
) -> tuple[dict[str, object], Spec]:
    """The suggestions by path, and the spec that they make with what was chosen."""
    chosen = chosen or {}
    found = suggest(_spec(chosen), shape, length, card, num_rows=num_rows, fixed=set(chosen))
    return {s.path: s.value for s in found}, _spec(chosen, suggested_layer(found))


def test_lora_where_16_bit_weights_fit_and_qlora_where_they_do_not() -> None:
    profiles = [
        _ask(LLAMA_8B, find_card(name))[1].profile
        for name in ("A100 80GB", "RTX 4090", "RTX 3060", "T4")
    ]
    assert profiles == ["lora", "lora", "qlora", "qlora"]
    found, spec = _ask(LLAMA_70B, find_card("A100 80GB"))
    assert (found["profile"], spec.train.method) == ("qlora", "qlora")
    assert spec.train.optimizer == "paged_adamw_8bit"  # the profile came along
    assert _ask(QWEN_1_5B, find_card("H200"))[1].train.method == "lora"  # never full by itself


def test_a_tight_lora_gives_way_to_qlora() -> None:
    seen = set()
    for tenth in range(150, 240):
        card = Card("card", tenth / 10, (8, 0), 0.5)
        spec = _ask(LLAMA_8B, card)[1]
        lora = _spec({"profile": "lora", "train.micro_batch": 1, "data.max_length": 1024})
        budget = estimate(LLAMA_8B, lora, 1024, card)
        easy = budget.fits and not budget.is_tight
        assert spec.train.method == ("lora" if easy else "qlora"), tenth
        seen.add((budget.fits, budget.is_tight))
    assert seen == {(False, False), (True, True), (True, False)}


@pytest.mark.parametrize("card", [*known_cards(), RAM], ids=lambda card: card.name)
@pytest.mark.parametrize("length", [256, 1024, 4096])
@pytest.mark.parametrize("shape", [LLAMA_8B, QWEN_1_5B, MIXTURE], ids=["8b", "1.5b", "moe"])
def test_what_is_suggested_fits_and_is_not_tight(
    shape: ModelShape, length: int, card: Card
) -> None:
    spec = _ask(shape, card, length)[1]
    budget = estimate(shape, spec, length, card)
    if shape is LLAMA_8B and not card.is_gpu:
        assert not budget.fits  # and the budget says so
        assert spec.train.micro_batch == 1
        return
    if shape is LLAMA_8B and card.usable_gib < 11 and (not budget.fits or budget.is_tight):
        assert spec.train.micro_batch == 1  # the least there is
        assert spec.train.gradient_checkpointing
        return
    assert budget.fits and not budget.is_tight
    assert spec.data.max_length == length
    assert spec.train.micro_batch in (1, 2, 4, 8)
    assert spec.train.micro_batch * spec.train.accumulation == 16
    assert spec.train.method in ("lora", "qlora")


def test_the_micro_batch_is_the_largest_that_is_not_tight() -> None:
    card = find_card("RTX 4090")
    for length in (512, 1024, 2048, 3072, 4096):
        spec = _ask(LLAMA_8B, card, length)[1]
        rows = spec.train.micro_batch
        if rows < 8:
            more = {"train.micro_batch": 2 * rows, "train.accumulation": 16 // (2 * rows)}
            spec = _spec({"profile": "lora", "data.max_length": length} | more)
            budget = estimate(LLAMA_8B, spec, length, card)
            assert budget.is_tight or not budget.fits, length


def test_checkpointing_goes_only_where_there_is_plenty() -> None:
    roomy, _ = _ask(QWEN_1_5B, find_card("A100 80GB"), 512)
    assert roomy["train.gradient_checkpointing"] is False
    tight, spec = _ask(LLAMA_8B, find_card("RTX 4090"), 1024)
    assert "train.gradient_checkpointing" not in tight
    assert spec.train.gradient_checkpointing is True
    # half the rows at once are worth it where they still fill the card, and only there
    found, spec = _ask(LLAMA_8B, find_card("A100 80GB"), 1024)
    assert (spec.train.micro_batch, found["train.gradient_checkpointing"]) == (4, False)


def test_memory_is_left_where_the_estimate_is_least_certain() -> None:
    """A tenth of free RAM stays free, and of a card that keeps its activations."""
    kept = {True: 0, False: 0}
    for tenth in range(40, 240, 4):
        for card in (
            Card("card", tenth / 10, (8, 0), 0.5),
            Card("RAM", tenth / 10, (0, 0), 0.0, is_gpu=False, taken_gib=1.0),
        ):
            spec = _ask(QWEN_1_5B, card, 512)[1]
            budget = estimate(QWEN_1_5B, spec, 512, card)
            share = (0 if card.is_gpu else 0.1) + (not spec.train.gradient_checkpointing) * 0.1
            if spec.train.micro_batch > 1:
                need_gib = (budget.peak.total_bytes + budget.spread_bytes) / 2**30
                assert need_gib <= card.usable_gib - share * card.free_gib
                kept[card.is_gpu] += 1
    assert min(kept.values()) > 20


def test_a_card_is_not_left_idle_to_save_recomputation() -> None:
    passes = set()
    for tenth in range(60, 240, 2):
        spec = _ask(QWEN_1_5B, Card("card", tenth / 10, (8, 0), 0.5), 256)[1]
        passes.add((spec.train.micro_batch, spec.train.gradient_checkpointing))
    # four rows of 256 tokens without recomputation would fit some of these cards
    assert (8, True) in passes and (8, False) in passes
    assert (4, False) not in passes


def test_a_cpu_gets_float32_and_no_4_bit_weights() -> None:
    found, spec = _ask(QWEN_1_5B, RAM, 512)
    assert (found["model.dtype"], found["profile"]) == ("float32", "lora")
    found, spec = _ask(LLAMA_8B, RAM)
    assert (spec.train.method, spec.model.dtype) == ("lora", "float32")


def test_a_card_without_bfloat16_gets_float16_for_adapters_only() -> None:
    assert _ask(QWEN_1_5B, find_card("T4"))[0]["model.dtype"] == "float16"
    assert "model.dtype" not in _ask(QWEN_1_5B, find_card("L4"))[0]
    full, _ = _ask(SMALL, find_card("T4"), chosen={"train.method": "full"})
    assert "model.dtype" not in full
    assert full["profile"] == "full"


@pytest.mark.parametrize("num_rows", [45, 60, 100, 200, 300, 356])
def test_few_rows_get_enough_steps(num_rows: int) -> None:
    spec = _ask(QWEN_1_5B, find_card("RTX 4090"), 512, num_rows)[1]
    effective = spec.train.micro_batch * spec.train.accumulation
    num_train = num_rows - round(num_rows * 0.1)
    assert num_train // effective >= 20 or effective == 2
    assert effective == 16 or num_train // (2 * effective) < 20


def test_many_rows_keep_the_usual_batch() -> None:
    for num_rows in (0, 400, 100_000):
        spec = _ask(QWEN_1_5B, find_card("RTX 4090"), 512, num_rows)[1]
        assert spec.train.micro_batch * spec.train.accumulation == 16


def test_a_run_of_so_many_steps_keeps_its_batch() -> None:
    spec = _ask(SMALL, RAM, 128, 40, {"profile": "quick"})[1]
    assert spec.train.micro_batch * spec.train.accumulation == 8


def test_a_batch_that_is_no_power_of_two_is_kept(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[train]\nmicro_batch = 3\naccumulation = 4\n")
    spec = _ask(SMALL, RAM, 128, 5000, {"profile": str(mine)})[1]
    assert (spec.train.micro_batch, spec.train.accumulation) == (4, 3)


@pytest.mark.parametrize(
    ("num_rows", "epochs"),
    [
        (0, 3),
        (10, 11),
        (2, 25),
        (25, 4),
        (100, 3),
        (8_000, 3),
        (10_000, 2),
        (20_000, 1),
        (10**6, 1),
    ],
)
def test_epochs_follow_the_number_of_rows(num_rows: int, epochs: int) -> None:
    assert _ask(SMALL, RAM, 128, num_rows)[1].train.epochs == epochs
    limited = {"train.max_steps": 50}
    assert "train.epochs" not in _ask(SMALL, RAM, 128, num_rows, chosen=limited)[0]


def test_held_out_rows_of_their_own_leave_all_rows_to_train_on() -> None:
    split = _ask(SMALL, RAM, 128, 330)[1].train
    whole = _ask(SMALL, RAM, 128, 330, {"data.eval_path": "e.jsonl"})[1].train
    assert split.micro_batch * split.accumulation == 8
    assert whole.micro_batch * whole.accumulation == 16


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "profile": st.sampled_from(["lora", "qlora", "quick", "cpu-demo", "full", ""]),
            "train.method": st.sampled_from(["lora", "qlora", "full"]),
            "train.micro_batch": st.sampled_from([1, 2, 3, 16]),
            "train.accumulation": st.sampled_from([1, 2, 5, 64]),
            "train.gradient_checkpointing": st.booleans(),
            "train.epochs": st.sampled_from([1.0, 3.0, 10.0]),
            "train.rank": st.sampled_from([4, 64]),
            "data.max_length": st.just(1024),
            "model.dtype": st.sampled_from(["auto", "bfloat16", "float32"]),
        },
    ),
    st.sampled_from([0, 30, 500, 50_000]),
    st.sampled_from([RAM, find_card("T4"), find_card("RTX 4090")]),
    st.sampled_from([SMALL, QWEN_1_5B]),
)
def test_choices_are_kept_and_the_answer_is_stable(
    chosen: dict[str, Any], num_rows: int, card: Card, shape: ModelShape
) -> None:
    first = suggest(_spec(chosen), shape, 1024, card, num_rows=num_rows, fixed=set(chosen))
    assert not {s.path for s in first} & set(chosen)
    assert len({s.path for s in first}) == len(first)
    spec = _spec(chosen, suggested_layer(first))
    for path, value in chosen.items():
        section, _, name = path.rpartition(".")
        assert getattr(getattr(spec, section) if section else spec, name) == value
    again = suggest(spec, shape, 1024, card, num_rows=num_rows, fixed=set(chosen))
    assert again == first
    for suggestion in first:
        assert suggestion.why and "\n" not in suggestion.why and not suggestion.why.endswith(".")


def test_a_setting_that_is_never_suggested_counts_even_where_nobody_fixed_it() -> None:
    wide = {"train.rank": 1024}
    card = find_card("RTX 3060")
    found = suggest(_spec(wide), QWEN_1_5B, 1024, card)
    assert found == suggest(_spec(wide), QWEN_1_5B, 1024, card, fixed=["train.rank"])
    assert found != suggest(_spec(), QWEN_1_5B, 1024, card)


def test_a_profile_that_names_no_method_may_still_get_4_bit_weights() -> None:
    found, spec = _ask(LLAMA_8B, find_card("RTX 3060"), chosen={"profile": "quick"})
    assert found["train.method"] == "qlora"
    assert (spec.profile, spec.train.max_steps) == ("quick", 50)
    found, _ = _ask(LLAMA_8B, find_card("RTX 3060"), chosen={"profile": "lora"})
    assert "train.method" not in found


def test_the_demo_needs_nothing_but_a_length() -> None:
    resolved = load_spec(ROOT / "samples" / "demo.toml")
    chosen = {p for p, s in resolved.sources.items() if s.endswith("demo.toml")}
    shape = read_shape(json.loads((ROOT / "samples" / "model" / "config.json").read_text()))
    found = suggest(resolved.spec, shape, 128, RAM, num_rows=400, fixed=chosen)
    assert [(s.path, s.value) for s in found] == [("data.max_length", 128)]


def test_the_reasons_are_clauses_a_person_understands() -> None:
    found = suggest(_spec(), LLAMA_8B, 512, find_card("RTX 3060"), num_rows=90)
    assert {s.path: s.why for s in found} == {
        "data.max_length": "the length that suits these rows",
        "profile": "16-bit weights need 18.1 GiB, 4-bit ones fit the 11.6 GiB free on this card",
        "train.micro_batch": "4 rows fit the 11.6 GiB free on this card",
        "train.accumulation": "makes an effective batch of 4 rows, 20 steps per epoch",
    }
    whys = {s.path: s.why for s in suggest(_spec(), LLAMA_70B, 512, find_card("T4"))}
    assert "4-bit ones need 46.3 GiB of the 14.6 GiB free" in whys["profile"]


def test_it_is_quick_enough_for_every_key_press() -> None:
    best = 1.0
    for _ in range(10):
        began = time.perf_counter()
        suggest(_spec(), LLAMA_8B, 4096, find_card("RTX 4090"), num_rows=1000)
        best = min(best, time.perf_counter() - began)
    assert best < 0.05
