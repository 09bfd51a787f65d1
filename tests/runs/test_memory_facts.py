"""Figures of out-of-memory texts that people pasted, and nothing that is not in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.memory_facts import MemoryFacts, memory_place, read_memory_facts

# source -> (text, requested, allocated, reserved, limit, others), in GiB
_REPORTS: dict[str, tuple[str, float | None, float | None, float | None, float | None, object]] = {
    # torch 2.5, one process with the card to itself
    "https://github.com/Farzad-R/Finetune-LLAVA-NEXT/issues/2": (
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB. GPU 0 has a total "
        "capacity of 14.75 GiB of which 7.06 MiB is free. Process 130036 has 14.74 GiB memory in "
        "use. Of the allocated memory 14.04 GiB is allocated by PyTorch, and 580.33 MiB is "
        "reserved by PyTorch but unallocated. If reserved but unallocated memory is large try "
        "setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.",
        0.21875,
        14.04,
        14.04 + 580.33 / 1024,
        14.75,
        None,  # in a container process 130036 is this one, and the text cannot know
    ),
    # torch 2.1 wrote "capacty"; under WSL the driver counts wrongly
    "https://github.com/facebookresearch/seamless_communication/issues/341": (
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 318.00 MiB. GPU 0 has "
        "a total capacty of 6.00 GiB of which 0 bytes is free. Including non-PyTorch memory, this "
        "process has 17179869184.00 GiB memory in use. Of the allocated memory 5.00 GiB is "
        "allocated by PyTorch, and 271.88 MiB is reserved by PyTorch but unallocated.",
        318 / 1024,
        5.0,
        5.0 + 271.88 / 1024,
        6.0,
        None,
    ),
    # the card shared with others: the title's figures, the rest as torch writes it
    "https://github.com/zai-org/GLM-4/issues/730": (
        "CUDA out of memory. Tried to allocate 108.00 MiB. GPU 0 has a total capacity of 23.68 GiB "
        "of which 34.88 MiB is free. Process 1170126 has 2.25 GiB memory in use. Including "
        "non-PyTorch memory, this process has 21.39 GiB memory in use. Of the allocated memory "
        "20.91 GiB is allocated by PyTorch, and 32.08 MiB is reserved by PyTorch but unallocated.",
        108 / 1024,
        20.91,
        20.91 + 32.08 / 1024,
        23.68,
        2.25,
    ),
    # before torch 2.1
    "https://github.com/CompVis/stable-diffusion/issues/702": (
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 192.00 MiB (GPU 0; 4.00 GiB total "
        "capacity; 3.08 GiB already allocated; 0 bytes free; 3.47 GiB reserved in total by "
        "PyTorch) If reserved memory is >> allocated memory try setting max_split_size_mb",
        192 / 1024,
        3.08,
        3.47,
        4.0,
        None,
    ),
    # torch 1.0
    "https://github.com/pytorch/pytorch/issues/16417": (
        "RuntimeError: CUDA out of memory. Tried to allocate 12.50 MiB (GPU 0; 10.92 GiB total "
        "capacity; 8.57 MiB already allocated; 9.28 GiB free; 4.68 MiB cached)",
        12.5 / 1024,
        8.57 / 1024,
        None,
        10.92,
        None,
    ),
    "https://github.com/facebookresearch/Mask2Former/issues/185": (
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 3077222400 bytes. Error "
        "code 12 (Cannot allocate memory)",
        3077222400 / 2**30,
        None,
        None,
        None,
        None,
    ),
    "https://github.com/theislab/single-cell-tutorial/issues/85": (
        "numpy.core._exceptions.MemoryError: Unable to allocate 926. GiB for an array with shape "
        "(6794880, 36601) and data type float32",
        926.0,
        None,
        None,
        None,
        None,
    ),
    "https://github.com/pytorch/pytorch/issues/112377": (
        "RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp",
        None,
        None,
        None,
        None,
        None,
    ),
}


@pytest.mark.parametrize("source", _REPORTS, ids=list(_REPORTS))
def test_figures_of_a_report(source: str) -> None:
    text, *expected = _REPORTS[source]
    facts = read_memory_facts([text], phase="forward", step=3)
    found = [facts.requested_gib, facts.allocated_gib, facts.reserved_gib, facts.limit_gib]
    found.append(facts.others_gib)
    assert found == [pytest.approx(value) if value is not None else None for value in expected]
    assert (facts.phase, facts.step, facts.measured_peak_gib) == ("forward", 3, 0.0)


def test_a_card_for_itself_has_no_others() -> None:
    text, *_ = _REPORTS["https://github.com/zai-org/GLM-4/issues/730"]
    alone = text.replace("Process 1170126 has 2.25 GiB memory in use. ", "")
    assert read_memory_facts([alone], phase="p", step=0).others_gib == 0.0


def test_a_share_of_the_card_is_the_limit() -> None:
    """https://github.com/pytorch/pytorch, CUDACachingAllocator.cpp: `allowed_info`."""
    text = (
        "CUDA out of memory. Tried to allocate 8.00 GiB. GPU 0 has a total capacity of 47.37 GiB "
        "of which 46.57 GiB is free. 800.00 MiB allowed; Of the allocated memory 245.48 MiB is "
        "allocated by PyTorch, and 16.52 MiB is reserved by PyTorch but unallocated."
    )
    assert read_memory_facts([text], phase="p", step=0).limit_gib == 0.78125


def test_virtual_memory_counts_its_own_tensors() -> None:
    text = (
        "CUDA out of memory. Tried to allocate 8.00 MiB. GPU 0 has a total capacity of 64.00 MiB "
        "of which 4.00 MiB is free (virtual VRAM)."
    )
    facts = read_memory_facts([text], phase="p", step=0)
    assert facts.limit_gib == 0.0625 and facts.allocated_gib == pytest.approx(60 / 1024)
    assert facts.reserved_gib is None and memory_place(text) == "virtual GPU"


def test_the_last_sentence_of_the_first_text_counts() -> None:
    trace = "x\nTried to allocate 1.00 GiB.\nDuring handling\nTried to allocate 2.00 GiB.\n"
    facts = read_memory_facts(
        ["no figures", trace, "Tried to allocate 3.00 GiB."], phase="", step=0
    )
    assert facts.requested_gib == 2.0


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("CUDA out of memory. Tried", "GPU"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "GPU"),
        ("DefaultCPUAllocator: can't allocate memory", "RAM"),
        ("[Errno 12] Cannot allocate memory", "RAM"),
        ("the box had no more memory", "RAM"),
        ("out of memory", ""),
    ],
)
def test_which_memory_it_was(text: str, place: str) -> None:
    assert memory_place(text) == place


@given(st.lists(st.text()))
def test_no_text_breaks_it_and_none_is_invented(texts: list[str]) -> None:
    facts = read_memory_facts(texts, phase="p", step=1)
    if not any("llocate" in text.lower() for text in texts):
        assert facts == MemoryFacts("p", 1)
