from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from engine.errors import TailfinError
from engine.evaluate.delivered import find_delivered
from engine.export.report import read_report
from engine.runs.events import Stage
from engine.runs.jobs import start_job
from engine.runs.journal import Journal
from engine.runs.lock import holder
from engine.runs.reader import read_all
from engine.runs.state import observe
from engine.runs.store import RunFolder
from engine.worker import merge
from engine.worker.export import export
from engine.worker.job import Job
from engine.worker.parity import Reference, check, compare, reference
from engine.worker.trained import Pair
from tests.export.trained_run import make_base, make_run
from tests.process import answer, tailfin

IDS = torch.tensor([[5, 6, 7, 8, 9]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("export")
    make_base(root / "base")
    make_run(root / "runs" / "a-lora", make_base(root / "half", dtype="bfloat16"), "lora")
    return root


def _job(folder: Path) -> Job:
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    return Job(run, Journal(run.events))


def _logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found


@pytest.fixture(scope="module")
def exported(folder: Path) -> RunFolder:
    """The lora run over a bfloat16 base, exported as both forms by the command."""
    done = tailfin("export", "a-lora", "--to", "adapter,merged", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    exports = answer(done)["data"]["exports"]
    assert set(exports) == {"adapter", "merged"}
    assert all(one["parity"]["passed"] for one in exports.values())
    return RunFolder(folder / "runs" / "a-lora")


def test_plain_libraries_load_what_was_trained(folder: Path, exported: RunFolder) -> None:
    base = AutoModelForCausalLM.from_pretrained(folder / "half", dtype=torch.float32)
    untrained = _logits(base)
    trained = _logits(PeftModel.from_pretrained(base, exported.adapter))
    assert (trained - untrained).abs().max() > 0.5
    again = AutoModelForCausalLM.from_pretrained(folder / "half", dtype=torch.float32)
    adapter = PeftModel.from_pretrained(again, exported.exports / "adapter")
    assert torch.allclose(_logits(adapter), trained, atol=1e-5)
    merged = AutoModelForCausalLM.from_pretrained(exported.exports / "merged")
    assert merged.dtype == torch.bfloat16
    assert not hasattr(merged, "peft_config")
    difference = (_logits(merged.float()) - trained).norm() / trained.norm()
    assert difference < 0.05


def test_an_export_is_complete_and_says_so(folder: Path, exported: RunFolder) -> None:
    for form in ("adapter", "merged"):
        place = exported.exports / form
        report = read_report(place)
        on_disk = {p.name for p in place.iterdir()} - {"export_report.json"}
        assert {file.name for file in report.files} == on_disk
        for file in report.files:
            assert hashlib.sha256((place / file.name).read_bytes()).hexdigest() == file.sha256
        assert {"README.md", "tokenizer.json", "chat_template.jinja"} <= on_disk
        assert str(folder) not in (place / "README.md").read_text()
        assert str(folder) not in (place / "export_report.json").read_text()
    merged = exported.exports / "merged"
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        assert (merged / name).read_bytes() == (folder / "half" / name).read_bytes()
    config = json.loads((exported.exports / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(folder / "half")
    assert [p.name for p in sorted(exported.exports.iterdir())] == ["adapter", "merged"]


@pytest.fixture(scope="module")
def known(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    job = _job(tmp_path_factory.mktemp("known") / "job")
    return reference(Pair(find_delivered(RunFolder(folder / "runs" / "a-lora")), job))


def test_the_trained_logits_pass_and_the_bases_do_not(known: Reference) -> None:
    same = compare(known, known.tuned, known.prompts, tolerance=1e-3)
    assert same.passed and same.kept == 1 and same.max_abs_diff == 0
    unmerged = compare(known, known.base, known.prompts, tolerance=5e-2)
    assert not unmerged.passed
    assert unmerged.kept == pytest.approx(0, abs=1e-6)


def test_a_missing_adapter_is_seen_below_the_rounding(known: Reference) -> None:
    """Training changed less than the tolerance: size alone would let the base through."""
    faint = [b + (t - b) * 1e-3 for t, b in zip(known.tuned, known.base, strict=True)]
    weak = _with(known, faint)
    unmerged = compare(weak, known.base, known.prompts, tolerance=5e-2)
    assert unmerged.relative_l2 < 5e-2
    assert not unmerged.passed
    assert "0% of what training changed is left" in unmerged.reasons[0]
    noise = [t + torch.randn_like(t) * 5e-3 * t.std() for t in faint]
    assert compare(weak, noise, known.prompts, tolerance=5e-2).passed


def test_twice_the_adapter_and_other_tokens_are_seen(known: Reference) -> None:
    twice = [2 * t - b for t, b in zip(known.tuned, known.base, strict=True)]
    assert compare(known, twice, known.prompts, tolerance=10.0).kept == pytest.approx(2)
    other = [[*prompt, 0] for prompt in known.prompts]
    found = compare(known, known.tuned, other, tolerance=1e-3)
    assert not found.passed and not found.tokens_equal


def test_logits_that_are_no_numbers_never_pass(known: Reference) -> None:
    broken = [torch.full_like(t, float("nan")) for t in known.tuned]
    assert not compare(known, broken, known.prompts, tolerance=1e-1).passed


def _with(known: Reference, tuned: list[torch.Tensor]) -> Reference:
    from dataclasses import replace

    return replace(known, tuned=tuned)


def test_a_corrupted_export_fails(exported: RunFolder, known: Reference, tmp_path: Path) -> None:
    broken = tmp_path / "merged"
    shutil.copytree(exported.exports / "merged", broken)
    weights = load_file(broken / "model.safetensors")
    name = "model.layers.1.mlp.down_proj.weight"
    weights[name] = weights[name].flip(0).contiguous()
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    found = check(broken, known, tmp_path / "scratch", is_adapter=False, dtype="bfloat16")
    assert not found.passed
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("bits", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_qlora_merges_into_what_it_was_trained_on(folder: Path, tmp_path: Path, bits: int) -> None:
    run = make_run(tmp_path / "run", folder / "base", "qlora", quantize_bits=bits)
    export(_job(tmp_path / "job"), run, forms=["merged"], out=run.exports, dtype="auto")
    report = read_report(run.exports / "merged")
    assert f"{bits} bits, dequantised" in report.merged_into
    assert report.parity.kept == pytest.approx(1, abs=0.02)
    merged = AutoModelForCausalLM.from_pretrained(run.exports / "merged")
    assert not hasattr(merged.config, "quantization_config")
    published = AutoModelForCausalLM.from_pretrained(folder / "base")
    naive = PeftModel.from_pretrained(published, run.adapter).merge_and_unload()
    rounding = 0.05 if bits == 4 else 0.001
    assert (_logits(merged) - _logits(naive)).abs().max() > rounding


def test_a_whole_model_is_copied(folder: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", folder / "base", "full")
    export(_job(tmp_path / "job"), run, forms=["merged"], out=tmp_path / "out", dtype="auto")
    place = tmp_path / "out" / "merged"
    weights = "model.safetensors"
    assert (place / weights).read_bytes() == (run.model / weights).read_bytes()
    assert (place / "config.json").read_bytes() == (folder / "base" / "config.json").read_bytes()
    assert read_report(place).parity.passed


def test_what_is_not_what_was_trained_is_not_delivered(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget_the_adapter(
        _delivered: object, base: Path, target: Path, _dtype: str, _listener: object
    ) -> str:
        shutil.copyfile(base / "model.safetensors", target / "model.safetensors")
        return "nothing"

    monkeypatch.setattr(merge, "write_merged", forget_the_adapter)
    run = RunFolder(folder / "runs" / "a-lora")
    job = _job(tmp_path / "job")
    with pytest.raises(TailfinError, match="not what was trained") as caught:
        export(job, run, forms=["merged"], out=tmp_path / "out", dtype="auto")
    assert caught.value.exit_code == 1
    assert not (tmp_path / "out" / "merged").exists()
    report = read_report(tmp_path / "out" / "merged.partial")
    assert not report.parity.passed


def test_tied_embeddings_with_an_adapter_are_refused(folder: Path, tmp_path: Path) -> None:
    tied = make_base(tmp_path / "tied", tied=True)
    run = make_run(tmp_path / "run", tied, "lora", targets="q_proj,lm_head")
    with pytest.raises(TailfinError, match="share one tensor") as caught:
        export(_job(tmp_path / "job"), run, forms=["merged"], out=run.exports, dtype="auto")
    assert "train.targets" in caught.value.hint
    assert not (run.exports / "merged").exists()


def test_a_base_published_quantised_is_refused(folder: Path, tmp_path: Path) -> None:
    base = tmp_path / "quantised"
    shutil.copytree(folder / "base", base)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"quantization_config": {}}))
    with pytest.raises(TailfinError, match="published quantised") as caught:
        merge.refuse_quantised(base)
    assert "--to adapter" in caught.value.hint


def test_a_merge_works_as_exactly_as_the_ram_allows(folder: Path) -> None:
    """The bfloat16 base holds about 0.5 MiB, so 1 MiB as float32."""
    assert merge.working_dtype(folder / "half", "bfloat16", 1 << 30) == "float32"
    assert merge.working_dtype(folder / "half", "bfloat16", 1 << 20) == "bfloat16"
    with pytest.raises(TailfinError, match="GiB of RAM") as caught:
        merge.working_dtype(folder / "half", "bfloat16", 1 << 19)
    assert caught.value.exit_code == 3
    assert 0 < merge.free_ram_bytes() < 1 << 50


def test_a_killed_export_leaves_nothing_that_looks_whole(folder: Path, tmp_path: Path) -> None:
    run = RunFolder(folder / "runs" / "a-lora")
    out = tmp_path / "out"
    job = start_job(run, "export", "--to", "merged", "--out", str(out), "--dtype", "auto")
    deadline = time.monotonic() + 60
    while not (out / "merged.partial").exists():
        assert time.monotonic() < deadline, job.worker_log.read_text()
        time.sleep(0.01)
    pid = holder(job.worker_lock)
    assert pid
    os.kill(pid, signal.SIGKILL)
    while (observed := observe(job)).state != "crashed":
        assert time.monotonic() < deadline, observed
        time.sleep(0.01)
    assert not (out / "merged").exists()
    assert (out / "merged.partial").is_dir()
    stages = [e.body.name for e in read_all(job.events) if isinstance(e.body, Stage)]
    assert "verify" not in stages


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "gguf:q4_k_m"], "not in this version"),
        (["--to", "adapter", "--dtype", "float16"], "merged weights"),
    ],
)
def test_usage_errors_start_no_job(folder: Path, words: list[str], said: str) -> None:
    jobs = folder / "runs" / "a-lora" / "jobs"
    before = list(jobs.iterdir()) if jobs.exists() else []
    done = tailfin("export", "a-lora", *words, cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert (list(jobs.iterdir()) if jobs.exists() else []) == before
