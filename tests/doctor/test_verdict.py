"""The checks together: order, the one sentence, and never a fix missing where one is due."""

from __future__ import annotations

from dataclasses import replace

from engine.doctor.checks import all_findings, examine, verdict
from engine.doctor.facts import Box, GpuFacts, StorageFacts
from tests.doctor.boxes import CPU_TORCH, GPU, H100, LIMITS, STACK, T4, box


def sentence(here: Box) -> str:
    return verdict(here, examine(here))


def test_a_good_box() -> None:
    text = sentence(box(gpu=replace(GPU, gpus=(H100, replace(H100, index=1)))))
    assert text == "This box can train on 2 x NVIDIA H100 80GB HBM3 (159 GiB, bfloat16)."


def test_a_card_without_bf16() -> None:
    text = sentence(box(gpu=replace(GPU, gpus=(T4,))))
    assert text == "This box can train on 1 x Tesla T4 (15 GiB, float16), with 1 warning."


def test_cpu_only_is_said_plainly() -> None:
    limits = replace(LIMITS, cpu_quota=1.0, omp_threads="1")
    here = box(gpu=GpuFacts(), stack=replace(STACK, torch=CPU_TORCH), limits=limits)
    text = sentence(here)
    assert text.startswith("CPU only: this box can train tiny models on 1 processor and 251 GiB")
    assert text.endswith("with 1 warning.")


def test_failures_decide() -> None:
    here = box(stack=replace(STACK, torch=CPU_TORCH))
    assert sentence(here) == "This box cannot train yet: 1 failure to fix, named above."


def test_a_gpu_that_was_not_asked_is_not_called_cpu_only() -> None:
    unasked = replace(GPU, gpus=(), trouble="nvidia-ml-py is not installed, so it was not asked")
    assert sentence(box(gpu=unasked)).startswith("A GPU is handed to this box, but")


def test_groups_with_failures_come_first() -> None:
    here = box(stack=replace(STACK, installed={}), storage=StorageFacts())
    groups = examine(here)
    severities = [group.findings[0].severity for group in groups]
    order = {"fail": 0, "warn": 1, "info": 2, "skip": 2, "ok": 2}
    assert [order[s] for s in severities] == sorted(order[s] for s in severities)
    assert groups[0].name == "Python"
    assert "disk" not in [group.name for group in groups]


def test_every_warning_and_failure_says_what_to_do() -> None:
    bad = [
        box(gpu=GpuFacts(), stack=replace(STACK, torch=None, installed={})),
        box(gpu=replace(GPU, gpus=(), trouble="Unknown Error")),
        box(limits=replace(LIMITS, available_gib=1.0, cpu_quota=1.0, oom_kills=1, shm_gib=0.1)),
    ]
    for here in bad:
        for finding in all_findings(examine(here)):
            assert finding.fix or finding.severity in ("ok", "info", "skip"), finding
            assert finding.id
