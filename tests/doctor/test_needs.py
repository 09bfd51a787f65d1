"""The room a model needs, per volume and purpose."""

from __future__ import annotations

import json
from pathlib import Path

from engine.doctor.facts import StorageFacts, Volume
from engine.doctor.needs import Need, judge_model, judge_needs, model_needs
from tests.doctor.boxes import only

NEEDS = (
    Need("download", "model cache", 16.0),
    Need("checkpoints", "runs", 1.0),
    Need("merged model", "runs", 15.0, later=True),
)
BIG = Volume("/workspace", 500.0, 400.0, base="/workspace", persistent=True)


def volume(free_gib: float) -> Volume:
    return Volume("/", 100.0, free_gib, ("model cache", "runs"), base="/root")


def test_what_fits_is_listed_by_purpose() -> None:
    fits = only(judge_needs("some/model", NEEDS, StorageFacts((volume(40.0),))))
    assert fits.severity == "ok"
    assert "32.0 GiB on /" in fits.message
    assert "download 16.0 GiB, checkpoints 1.0 GiB and merged model 15.0 GiB" in fits.message


def test_training_fits_and_its_result_does_not() -> None:
    later = only(judge_needs("some/model", NEEDS, StorageFacts((volume(20.0),), (BIG,))))
    assert later.severity == "warn"
    assert later.fix == "export HF_HOME=/workspace/hf TAILFIN_RUNS=/workspace/tailfin/runs"


def test_a_download_that_does_not_fit_fails() -> None:
    short = only(judge_needs("some/model", NEEDS, StorageFacts((volume(10.0),))))
    assert short.severity == "fail"
    assert "32.0 GiB" in short.fix


def test_each_volume_holds_its_own_share() -> None:
    cache = Volume("/", 20.0, 17.0, ("model cache",))
    runs = Volume("/workspace", 500.0, 400.0, ("runs",))
    findings = judge_needs("some/model", NEEDS, StorageFacts((cache, runs)))
    assert [finding.where for finding in findings] == ["/", "/workspace"]
    assert all(finding.severity == "ok" for finding in findings)


def test_a_config_gives_the_sizes(tmp_path: Path) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "vocab_size": 1000,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    needs = {need.purpose: need.gib for need in model_needs(str(tmp_path))}
    assert needs["download"] == 0  # it is here
    assert needs["checkpoints"] > 0
    assert needs["GGUF"] > needs["merged model"] > 0


def test_a_model_that_is_not_there_is_skipped_with_the_reason(tmp_path: Path) -> None:
    missing = only(judge_model(f"{tmp_path}/none", StorageFacts((volume(40.0),))))
    assert missing.severity == "skip"
    assert missing.fix
