"""How an exception that ends a worker is told: memory, disk, a lost card, or the program itself."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.runs.events import Failed
from engine.runs.journal import Journal
from engine.runs.store import RunFolder
from engine.worker.job import Job, explain

_ASYNC = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the "
    "stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
    "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)
# What people pasted, and where.
_LOST = {
    "https://github.com/tloen/alpaca-lora/issues/123": (
        "CUDA error: uncorrectable ECC error encountered" + _ASYNC
    ),
    "https://github.com/huggingface/transformers/issues/31914": (
        "CUDA error: unspecified launch failure" + _ASYNC
    ),
    "https://github.com/artidoro/qlora/issues/82": (
        "CUDA error: an illegal memory access was encountered" + _ASYNC
    ),
    "https://github.com/rossumai/nvgpu/issues/6": "GPU is lost",
    "https://github.com/NVIDIA/nvidia-container-toolkit/issues/48": (
        "Failed to initialize NVML: Unknown Error"
    ),
    "https://github.com/bmaltais/kohya_ss/issues/733": "CUDA error: unknown error" + _ASYNC,
    "https://github.com/LiuHC0428/LAW-GPT/issues/33": (
        "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing "
        "env variable CUDA_VISIBLE_DEVICES after program start. Setting the available devices to "
        "be zero."
    ),
    "https://github.com/Tencent-Hunyuan/InstantCharacter/issues/21": (
        "CUDA error: CUDA-capable device(s) is/are busy or unavailable" + _ASYNC
    ),
    "https://github.com/haotian-liu/LLaVA/issues/683": (
        "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before "
        "calling NumCudaDevices() that might have already set an error? Error 802: system not yet "
        "initialized"
    ),
    "https://github.com/chenfei-wu/TaskMatrix/issues/379": (
        "Unexpected error from cudaGetDeviceCount(). Error 804: forward compatibility was "
        "attempted on non supported HW"
    ),
    "https://github.com/learning-at-home/hivemind/issues/509": (
        "kernel: [14282.651831] NVRM: Xid (PCI:0000:03:00): 79, pid='<unknown>', GPU has fallen "
        "off the bus."
    ),
}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    run = RunFolder(tmp_path / "20260101-000000-run")
    run.path.mkdir()
    job = Job(run, Journal(run.events))
    job.phase, job.step = "backward", 11
    return job


def _told(error: BaseException, job: Job) -> Failed:
    """What is told of an exception that was really raised."""
    try:
        raise error
    except BaseException as raised:
        return explain(raised, job)


@pytest.mark.parametrize("source", _LOST, ids=list(_LOST))
def test_a_lost_card_is_told_as_one(source: str, job: Job) -> None:
    failed = _told(RuntimeError(_LOST[source]), job)
    assert (failed.error, failed.phase, failed.step, failed.exit_code) == ("gpu", "backward", 11, 1)
    assert _LOST[source].splitlines()[0] in failed.message
    assert failed.hint.endswith(f"tailfin resume {job.run.id}")
    assert (job.run.path / failed.trace).read_text("utf-8").startswith("Traceback")


def test_a_failed_check_inside_a_kernel_is_no_lost_card(job: Job) -> None:
    """https://github.com/huggingface/transformers/issues/1848: a token beyond the embedding."""
    failed = _told(RuntimeError("CUDA error: device-side assert triggered" + _ASYNC), job)
    assert failed.error == "crash" and "device-side assert" in failed.message
    both = "CUDA error: device-side assert triggered; then: unspecified launch failure"
    assert _told(RuntimeError(both), job).error == "crash"


def test_a_card_lost_while_the_model_was_loaded_is_no_fault_of_the_model(job: Job) -> None:
    job.phase = "load"
    wrapped = TailfinError("Loading the weights failed.", "Copy them again.")
    wrapped.__cause__ = RuntimeError("CUDA error: uncorrectable ECC error encountered")
    failed = _told(wrapped, job)
    assert (failed.error, failed.exit_code) == ("gpu", 1)
    assert _told(TailfinError("No such file.", "Name it."), job).error == "input"


def test_full_memory_goes_before_everything_else(job: Job) -> None:
    """A full card can end in a second error; what came first is what helps."""
    later = RuntimeError("CUDA error: unspecified launch failure")
    later.__context__ = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    failed = _told(later, job)
    assert (failed.error, failed.exit_code) == ("oom", 3)


@pytest.mark.parametrize(
    "text",
    [
        # https://github.com/pytorch/pytorch/issues/112377, a fine-tuning on a slice of an H100
        'NVML_SUCCESS == r INTERNAL ASSERT FAILED at "../c10/cuda/CUDACachingAllocator.cpp":1154, '
        "please report a bug to PyTorch. ",
        # https://github.com/pytorch/pytorch/issues/130486
        "NVML_SUCCESS == DriverAPI::get()->nvmlInit_v2_() INTERNAL ASSERT FAILED at "
        '"../c10/cuda/CUDACachingAllocator.cpp":813, please report a bug to PyTorch. ',
        # https://github.com/facebookresearch/Mask2Former/issues/185
        "[enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 3077222400 bytes. Error code 12 (Cannot allocate memory)",
    ],
)
def test_memory_that_ran_out_in_other_words(text: str, job: Job) -> None:
    failed = _told(RuntimeError(text), job)
    assert failed.error == "oom" and failed.exit_code == 3


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        # https://github.com/hiyouga/LlamaFactory/issues/5155
        RuntimeError(
            "Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: "
            '"No space left on device" })'
        ),
        # https://github.com/hiyouga/LlamaFactory/issues/1223
        RuntimeError(
            "[enforce fail at inline_container.cc:445] . PytorchStreamWriter failed writing file "
            "data/176: file write failed"
        ),
    ],
)
def test_a_full_disk(error: BaseException, job: Job) -> None:
    failed = _told(error, job)
    assert (failed.error, failed.exit_code) == ("disk", 1)


def test_anything_else_is_a_crash_with_its_trace(job: Job) -> None:
    failed = _told(KeyError("input_ids"), job)
    assert failed.error == "crash" and "KeyError" in failed.message
    assert failed.trace in failed.hint
