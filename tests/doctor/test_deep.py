"""What the ends of the deep probes mean: errors, crashes, hangs, wrong numbers, what follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from engine.doctor.checks import all_findings, examine
from engine.doctor.deep.judge import judge
from engine.doctor.deep.recorded import recorded_deep
from engine.doctor.facts import Box, DeepFacts
from engine.doctor.host import Host, Ran
from engine.findings import Finding
from tests.doctor.boxes import STACK, box, only

CONDA = "/opt/conda/envs/tune"
CONDA_ERROR = (
    f"ImportError: {CONDA}/bin/../lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found "
    "(required by /x/libtorch.so)"
)
FLASH_ERROR = (
    "ImportError: /x/flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so: "
    "undefined symbol: _ZN3c104cuda9SetDeviceEa"
)
DRIVER_ERROR = (
    "RuntimeError: The NVIDIA driver on your system is too old (found version 12020). Please update"
)


def deep(library_path: str = "", **ran: Ran) -> Box:
    return after(ran, library_path)


def after(ran: Mapping[str, Ran], library_path: str = "") -> Box:
    """A fine box on which these probes ended so."""
    told = {name.replace("_", "-"): outcome for name, outcome in ran.items()}
    return replace(box(), deep=DeepFacts(told, {}, library_path))


def worst(here: Box) -> Finding:
    return only([one for one in judge(here) if one.severity in ("fail", "warn")])


def ended(error: str) -> Ran:
    return Ran(1, "", f"Traceback (most recent call last):\n{error}\n")


@pytest.mark.parametrize(
    ("probe", "ran", "id_", "severity", "fix"),
    [
        ("cuinit", Ran(1, '{"cuInit": 802}'), "deep.cuda-not-ready", "fail", "fabricmanager"),
        (
            "cuinit",
            Ran(1, "cuInit(0) returned 999"),
            "deep.cuda-unknown",
            "fail",
            "nvidia-modprobe",
        ),
        ("cuinit", Ran(0, "804\n"), "deep.cuda-compat", "fail", "compat"),
        ("torch", ended(CONDA_ERROR), "deep.libstdcxx", "fail", f"conda install -y -p {CONDA} "),
        ("torch", Ran(-11), "deep.torch-crash", "fail", "tailfin setup --replace-torch"),
        ("matmul", ended(DRIVER_ERROR), "deep.driver-too-old", "fail", "--cuda 12.8"),
        ("matmul", Ran(None, seconds=120.0), "deep.matmul-hang", "fail", "change host"),
        (
            "triton",
            ended("RuntimeError: Failed to find C compiler. Please specify via CC environment"),
            "deep.no-compiler",
            "warn",
            "apt-get install -y build-essential python3.12-dev",
        ),
        (
            "triton",
            ended("main.c:5:10: fatal error: Python.h: No such file or directory"),
            "deep.no-headers",
            "warn",
            "python3.12-dev",
        ),
        ("flash_attn", ended(FLASH_ERROR), "deep.flash-attn-abi", "warn", "model.attention=sdpa"),
        (
            "bitsandbytes",
            ended("OSError: libcudart.so.12: cannot open shared object file: No such file"),
            "deep.missing-library",
            "fail",
            "tailfin setup --replace-torch",
        ),
        ("nccl", Ran(None, seconds=75.0), "deep.nccl-hang", "fail", "NCCL_P2P_DISABLE=1"),
    ],
)
def test_an_end_is_named_with_its_cure(
    probe: str, ran: Ran, id_: str, severity: str, fix: str
) -> None:
    found = worst(after({probe: ran}))
    assert (found.id, found.severity) == (id_, severity)
    assert fix in found.fix
    assert found.why and found.where


def test_libraries_of_another_cuda_on_the_path_are_taken_off_it() -> None:
    error = ended("ImportError: libcusparse.so.12: undefined symbol: __nvJitLinkAddData_12_1")
    found = worst(deep(library_path="/usr/local/cuda-12.1/lib64", torch=error))
    assert (found.id, found.fix) == ("deep.mixed-cuda", "unset LD_LIBRARY_PATH")


def test_only_the_compat_folder_leaves_the_path() -> None:
    here = deep(library_path="/usr/local/cuda/compat:/opt/lib", cuinit=Ran(1, '{"cuInit": 804}'))
    assert worst(here).fix == "export LD_LIBRARY_PATH=/opt/lib"


def test_what_works_is_ok_and_says_the_figures() -> None:
    told = '{"devices": [{"device": "x", "dtype": "bfloat16", "error": 0.002, "tflops": 700.0}]}'
    found = only(judge(deep(matmul=Ran(0, told))))
    assert found.severity == "ok"
    assert "700 TFLOP/s" in found.message


@pytest.mark.parametrize("error", ["0.5", "NaN", "null"])
def test_wrong_numbers_fail(error: str) -> None:
    told = f'{{"devices": [{{"device": "x", "dtype": "bfloat16", "error": {error}}}]}}'
    assert worst(deep(matmul=Ran(0, told))).id == "deep.wrong-numbers"


def test_a_card_slower_than_its_sisters_is_named() -> None:
    rows = [{"device": "x", "dtype": "bfloat16", "error": 0.001, "tflops": n} for n in (700, 200)]
    found = worst(deep(matmul=Ran(0, json.dumps({"devices": rows}))))
    assert (found.id, found.where) == ("deep.slow-gpu", "GPU 1")


def test_a_slow_disk_is_a_warning_with_the_time_it_costs() -> None:
    told = '{"disks": [{"folder": "/w", "write_mb_per_s": 50, "read_mb_per_s": 400}]}'
    found = worst(deep(disk=Ran(0, told)))
    assert (found.id, found.severity, found.where) == ("deep.disk-slow", "warn", "/w")
    assert "5 minutes" in found.why


def test_what_follows_from_an_earlier_failure_is_no_second_one() -> None:
    here = deep(cuinit=Ran(1, '{"cuInit": 802}'), matmul=ended("RuntimeError: anything"))
    assert worst(here).id == "deep.cuda-not-ready"
    assert [one.severity for one in judge(here) if one.id == "deep.matmul"] == ["skip"]


def test_what_the_quick_checks_named_is_not_named_again() -> None:
    known = [Finding("gpu.driver-too-old", "fail", "The driver is too old.")]
    assert {one.severity for one in judge(deep(matmul=ended(DRIVER_ERROR)), known)} == {"skip"}


def test_a_warning_or_another_matter_explains_no_failure() -> None:
    known = [
        Finding("gpu.throttled", "warn", "The card is hot."),
        Finding("stack.missing", "fail", "trl is not installed."),
    ]
    found = judge(after({"torch": Ran(-11)}), known)
    assert [one.id for one in found if one.severity == "fail"] == ["deep.torch-crash"]


def test_a_missing_compiler_is_named_once() -> None:
    known = [Finding("system.compiler", "warn", "There is no C compiler.")]
    told = judge(deep(triton=ended("RuntimeError: Failed to find C compiler.")), known)
    assert [one.severity for one in told] == ["skip"]


def test_the_second_attempt_without_p2p_proves_the_cure() -> None:
    hung = Ran(None, seconds=75.0)
    cured = worst(deep(nccl=hung, nccl_no_p2p=Ran(0, '{"equal": true}')))
    assert "switched off it works" in cured.message
    assert cured.safe
    assert "CUDA_VISIBLE_DEVICES=0" in worst(deep(nccl=hung, nccl_no_p2p=hung)).fix


def test_an_unknown_error_is_told_in_its_own_words() -> None:
    found = worst(deep(attention=ended("ValueError: some thing nobody has seen")))
    assert found.id == "deep.attention-failed"
    assert "ValueError: some thing nobody has seen" in found.message


def test_garbage_raises_nothing() -> None:
    for out in ("", "null", "[1]", '{"devices": 7, "kernels": [], "disks": {}}', "\x00{"):
        names = ("cuinit", "torch", "matmul", "triton", "attention", "disk", "download", "other")
        for code in (0, 1, -9, 139, None):
            judge(after({name: Ran(code, out, out) for name in names}))


def test_a_recording_speaks_without_being_asked() -> None:
    host = Host({}, probes={"CUDA_init": Ran(1, '{"cuInit": 802}')})
    here = replace(box(stack=STACK), deep=recorded_deep(host))
    assert all_findings(examine(here))[0].id == "deep.cuda-not-ready"
