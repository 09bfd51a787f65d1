"""A handful of published peaks, the same rows and recipes as the benchmark prints in full.

Sources: fitcheck-llm 0.3.1 (MIT), data/measurements in its source archive; fms-acceleration
(Apache-2.0), scripts/benchmarks/refs/a100_80gb.csv of
https://github.com/foundation-model-stack/fms-acceleration
"""

from __future__ import annotations

import pytest

from tests.benchmarks.bench_estimate_rows import outcome_of
from tests.benchmarks.published.rows import row_of
from tests.benchmarks.published.tables import closed_outcome, pairs_of
from tests.benchmarks.published.verdicts import print_verdicts

T4 = {
    "framework": "HF transformers+PEFT (raw loop; full logits)",
    "gpu": "Tesla T4 16GB",
    "rank": "32",
    "target_modules": "q,k,v,o",
    "grad_ckpt": "yes",
    "optimizer": "adamw fp32",
    "source": "fitcheck-llm 0.3.1 data/measurements/t4-sweep-2026-09-15.json",
}
A100 = {
    "framework": "TRL SFTTrainer via fms-hf-tuning",
    "gpu": "A100-80GB",
    "rank": "16",
    "target_modules": "q,k,v,o",
    "grad_ckpt": "yes",
    "attention_impl": "flash_attention_2",
    "optimizer": "adamw_torch (foreach)",
    "source": "fms-acceleration scripts/benchmarks/refs/a100_80gb.csv",
}
ROWS = [
    {**T4, "model": "Qwen/Qwen2.5-1.5B-Instruct", "method": "LoRA", "seq_len": "1024",
     "micro_batch": "2", "attention_impl": "eager", "measured_peak_gib": "7.232",
     "notes": "reserved_gib=7.725;"},
    {**T4, "model": "HuggingFaceTB/SmolLM2-135M", "method": "QLoRA-nf4", "seq_len": "4096",
     "micro_batch": "1", "attention_impl": "eager", "measured_peak_gib": "3.593",
     "notes": "reserved_gib=5.102;"},
    {**T4, "model": "TinyLlama/TinyLlama-1.1B-Chat-v1.0", "method": "LoRA", "seq_len": "2048",
     "micro_batch": "2", "attention_impl": "sdpa(mem-efficient)", "measured_peak_gib": "4.252",
     "notes": "reserved_gib=4.586;"},
    {**A100, "model": "mistralai/Mistral-7B-v0.1", "method": "LoRA", "seq_len": "4096",
     "micro_batch": "8", "measured_peak_gib": "36.082",
     "notes": "nvidia_smi_minus_baseline_gib=42.22;accel=none;bf16_flag=-;tf4.48.1"},
    {**A100, "model": "mistralai/Mistral-7B-v0.1", "method": "QLoRA-nf4", "seq_len": "4096",
     "micro_batch": "4", "measured_peak_gib": "15.249",
     "notes": "nvidia_smi_minus_baseline_gib=19.45;accel=accelerated-peft-bnb;bf16_flag=TRUE;"
     "tf4.48.1"},
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']} {row['method']}")
def test_tensors_are_within_two_percent(row: dict[str, str]) -> None:
    outcome = outcome_of(row)
    assert outcome is not None
    assert abs(outcome.error) < 0.02


def test_hidden_states_live_through_the_loss_of_a_plain_model() -> None:
    outcome = outcome_of(ROWS[3])  # its highest moment is the loss, before the model returns
    assert outcome is not None
    assert abs(outcome.error) < 0.001


def test_the_lowest_layer_keeps_its_input_in_the_embeddings_format() -> None:
    outcome = outcome_of(
        {**ROWS[4], "measured_peak_gib": "19.250",
         "notes": "nvidia_smi_minus_baseline_gib=25.45;accel=baseline-peft-bnb;bf16_flag=TRUE;"
         "tf4.48.1"}
    )  # fmt: skip
    assert outcome is not None
    assert abs(outcome.error) < 0.001  # float32 norms lift the stream above it


def test_rows_of_other_stacks_are_left_out() -> None:
    assert outcome_of({**ROWS[0], "source": "somebody else", "framework": "litgpt"}) is None
    assert outcome_of({**ROWS[0], "model": "unknown/model"}) is None


@pytest.mark.slow
@pytest.mark.parametrize("row", [ROWS[2], ROWS[4]], ids=lambda row: f"{row['model']}")
def test_an_executed_step_is_within_one_percent(row: dict[str, str]) -> None:
    simulated = pytest.importorskip("tests.benchmarks.published.simulated")
    traced = simulated.trace_row(row_of(row))
    assert traced.tensors / 2**30 == pytest.approx(float(row["measured_peak_gib"]), rel=0.01)


def test_a_remedy_is_judged_by_rows_that_differ_in_nothing_else() -> None:
    lora = {**T4, "model": "HuggingFaceTB/SmolLM2-1.7B", "seq_len": "2048", "micro_batch": "1"}
    rows = [
        {**lora, "method": "LoRA", "attention_impl": "eager", "measured_peak_gib": "5.572",
         "notes": "reserved_gib=6.98;"},
        {**lora, "method": "LoRA", "attention_impl": "sdpa(mem-efficient)",
         "measured_peak_gib": "4.860", "notes": "reserved_gib=5.27;"},
        {**lora, "method": "QLoRA-nf4", "attention_impl": "sdpa(mem-efficient)",
         "measured_peak_gib": "3.267", "notes": "reserved_gib=3.71;"},
        {**lora, "method": "QLoRA-nf4", "attention_impl": "sdpa(mem-efficient)", "rank": "16",
         "measured_peak_gib": "3.2", "notes": "reserved_gib=3.71;"},
    ]  # fmt: skip
    pairs = pairs_of(closed_outcome(row_of(row)) for row in rows)
    assert [pair.remedy for pair in pairs] == ["4-bit", "attention"]
    assert all(abs(pair.miss(lambda outcome: outcome.closed)) < 0.001 for pair in pairs)


def test_a_row_that_ran_out_is_not_called_fitting(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        **A100, "model": "mistralai/Mistral-7B-v0.1", "method": "LoRA", "seq_len": "4096",
        "micro_batch": "32", "measured_peak_gib": "OOM", "notes": "accel=foak-fast-kernels-liger;",
    }  # fmt: skip
    print_verdicts([row_of(row)])
    assert "does not fit" in capsys.readouterr().out
