"""What transformers' refusals to load a model mean, each with the action that helps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TailfinError

_MEMORY = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


@dataclass(frozen=True, slots=True)
class _Fault:
    """A refusal is known by words in its text; `{first}` stands for the text's first line."""

    words: tuple[str, ...]
    error_id: str
    message: str
    hint: str
    where: str = ""


_FAULTS = (
    _Fault(
        ("trust_remote_code",),
        "model.remote-code",
        "The model in {folder} runs Python code of its own.",
        "Read its .py files first; then allow it: --set model.trust_remote_code=true",
        "model.trust_remote_code",
    ),
    _Fault(
        ("does not recognize this architecture", "Should have a `model_type`"),
        "model.unknown-architecture",
        "The installed transformers does not know the architecture of {folder}{type}.",
        "Install a newer transformers, or name another model.",
    ),
    _Fault(
        ("Unrecognized configuration class",),
        "model.not-causal",
        "The model in {folder}{type} does not write text from left to right.",
        "Name a causal language model, such as a chat model.",
    ),
    _Fault(
        ("flash_attn", "FlashAttention", "flash_attention", "attention implementation"),
        "model.attention",
        "The attention kernel cannot be used: {first}",
        "Set model.attention to auto.",
        "model.attention",
    ),
    _Fault(
        ("bitsandbytes",),
        "model.quantization",
        "The weights could not be quantised: {first}",
        "Run `tailfin doctor`, or set train.method to lora.",
        "train.method",
    ),
    _Fault(
        ("ignore_mismatched_sizes", "size mismatch"),
        "model.shape-mismatch",
        "The weights in {folder} have other shapes than its config.json says.",
        "Copy config.json and the weights again from the same place.",
    ),
    _Fault(
        ("SafetensorError", "Error no file named", "UnpicklingError", "PytorchStreamReader"),
        "model.incomplete",
        "The weights in {folder} could not be read: {first}",
        "Copy them again, or name the hub model and let it be downloaded.",
    ),
)


def is_memory(error: BaseException) -> bool:
    """Whether memory ran out, which is an event of its own and never a wrong model."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"OutOfMemoryError", "MemoryError"}:
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _MEMORY)


def explain_load(error: Exception, folder: Path, what: str) -> TailfinError:
    """A library's exception as one a person can act on; `what` was being loaded."""
    text = f"{type(error).__name__}: {error}"
    known = re.search(r"model type [`'\"]([^`'\"]+)", text) or re.search(r"(\w+)Config'?>", text)
    filled = {
        "folder": folder,
        "first": _first_line(str(error)) or type(error).__name__,
        "type": f" ({known[1]})" if known else "",
    }
    for fault in _FAULTS:
        if any(words in text for words in fault.words):
            return TailfinError(
                fault.message.format(**filled),
                fault.hint,
                where=fault.where or folder,
                error_id=fault.error_id,
            )
    if isinstance(error, ImportError):
        return TailfinError(
            f"Loading {what} of {folder} needs a package: {filled['first']}",
            "Install it beside the training stack (`tailfin doctor` names the interpreter).",
            where=folder,
            error_id="model.needs-package",
        )
    return TailfinError(
        f"Loading {what} of {folder} failed: {filled['first']}",
        "Check the folder's files against the model's page; the worker's log has the details.",
        where=folder,
        error_id="model.load-failed",
    )


def _first_line(text: str) -> str:
    line = next((part.strip() for part in text.splitlines() if part.strip()), "")
    return line[:300] + ("" if line.endswith((".", "!", "?")) or not line else ".")
