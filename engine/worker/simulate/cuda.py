"""Everything a simulated step does otherwise on a CUDA card, as contexts round the trace.

What CUDA kernels, autocast and the libraries' CUDA branches allocate is made on fake CPU tensors,
so that the tracker sees it. Without these contexts the trace is that of a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from transformers import masking_utils

from engine.memory.cards import Card
from engine.worker.simulate.cuda_flash import flash_attention
from engine.worker.simulate.cuda_libraries import cuda_libraries
from engine.worker.simulate.cuda_operators import CudaFunctions, CudaKernels
from engine.worker.simulate.setting import Setting
from engine.worker.simulate.tracker import Tracker


def cuda_kernels(setting: Setting, tracker: Tracker) -> Sequence[AbstractContextManager[Any]]:
    """The contexts for the card of `setting`, to be entered after the tracker; none for a CPU."""
    batch = setting.train
    return contexts_of(setting.card, tracker, packed=batch.length if batch.documents > 1 else 0)


def contexts_of(
    card: Card, tracker: Tracker, *, packed: int = 0
) -> Sequence[AbstractContextManager[Any]]:
    """The same for a card alone; `packed` is the length of the row that holds several, if any."""
    if not card.is_gpu:
        return ()
    return (
        known_packing(packed),
        cuda_libraries(),
        flash_attention(),
        CudaKernels(card, tracker),
        CudaFunctions(card.capability),
    )


@contextmanager
def known_packing(length: int) -> Iterator[None]:
    """Only a row of `length` tokens holds several; fake positions cannot tell, and would all do."""
    read = masking_utils.find_packed_sequence_indices

    def find(position_ids: Any) -> Any:
        return read(position_ids) if length and position_ids.shape[-1] == length else None

    with patch.object(masking_utils, "find_packed_sequence_indices", find):
        yield


def cuda_assumptions(card: Card) -> tuple[str, ...]:
    """What these contexts take for granted, as sentences."""
    if not card.is_gpu:
        return ()
    said = [
        "cuBLAS takes its usual work buffer, one for the forward and one for the backward thread.",
        "4-bit weights are dequantised in whole for each product; below some hundred tokens a fused"
        " kernel needs less.",
    ]
    if card.capability in ((9, 0), (10, 0)):
        said.append("cuDNN's attention needs the buffers of the flash kernel in its backward pass.")
    return tuple(said)
