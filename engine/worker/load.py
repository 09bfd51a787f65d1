"""The base model in memory, ready for its method: plain arguments to transformers, loud when odd.

What is trained: `full` all weights, `freeze` the last decoder layers and nothing else (the final
norm, the head and the embeddings stay as they are, so that a tied head is not moved by accident),
`lora` and `qlora` none of them, because the adapter comes later, from TRL.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import TailfinError
from engine.findings import Finding
from engine.spec import Dtype, Method, Spec
from engine.worker.load_faults import explain_load, is_memory
from engine.worker.load_progress import OnStall, Report, load_progress

_HALF = ("bfloat16", "float16")
_SAMPLE_WEIGHTS = 100_000


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model with its tokenizer.

    `dtype` is the format of the weights that are not quantised (`bfloat16`, ...), `quantized` the
    bits of those that are (4, 8, or 0 for none), `device` where they lie (`cuda:0`, `cpu`).
    `findings` are what the user should hear about this model.
    """

    model: Any
    tokenizer: Any
    dtype: str
    quantized: int
    device: str
    findings: tuple[Finding, ...]


def load_model(
    path: str,
    spec: Spec,
    *,
    report: Report,
    on_stall: OnStall = lambda seconds, advice: None,
    stall_s: float = 30.0,
) -> LoadedModel:
    """Load the model in the folder `path` the way the spec asks; never touches the network.

    `report(done_bytes, total_bytes)` comes at most twice a second. Raises TailfinError for a model
    that cannot be used as asked; running out of memory stays torch.OutOfMemoryError.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    train, folder = spec.train, Path(path)
    trust = spec.model.trust_remote_code
    findings: list[Finding] = []
    with _translated(folder, "config.json"):
        config = AutoConfig.from_pretrained(path, trust_remote_code=trust, local_files_only=True)
    kept_bits = _kept_bits(config, train.method, folder)
    device, has_bf16 = _device()
    dtype = pick_dtype(spec.model.dtype, train.method, on_gpu=device != "cpu", has_bf16=has_bf16)
    quantization = None
    if train.method == "qlora" and not kept_bits:
        quantization = quantization_config(train.quantize_bits, train.double_quant, dtype)
    is_quantized = quantization is not None or kept_bits > 0
    with _translated(folder, "the tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(
            path, trust_remote_code=trust, local_files_only=True
        )
    with (
        _translated(folder, "the weights"),
        load_progress(folder, report, on_stall=on_stall, stall_s=stall_s),
    ):
        model, info = AutoModelForCausalLM.from_pretrained(
            path,
            config=config,
            dtype=getattr(torch, dtype),
            attn_implementation=None if spec.model.attention == "auto" else spec.model.attention,
            quantization_config=quantization,
            # Straight onto the device, weight by weight: no second copy of the model in RAM.
            device_map={"": device} if is_quantized or device != "cpu" else None,
            trust_remote_code=trust,
            local_files_only=True,
            output_loading_info=True,
        )
    _check_complete(folder, info, findings)
    _check_vocabulary(folder, model, tokenizer)
    _check_trainable(folder, model)
    choose_trained(model, train.method, train.trainable_layers)
    _look_at_updates(model, dtype, train.method, train.learning_rate, findings)
    bits = kept_bits or (train.quantize_bits if quantization is not None else 0)
    if train.method == "qlora" and kept_bits not in (0, train.quantize_bits):
        said = f"The checkpoint is stored in {kept_bits} bits and stays so."
        findings.append(Finding("model.stored-bits", "info", said, where="train.quantize_bits"))
    return LoadedModel(model, tokenizer, dtype, bits, device, tuple(findings))


def pick_dtype(wanted: Dtype, method: Method, *, on_gpu: bool, has_bf16: bool) -> str:
    """The number format of the base: what was asked for, else what the device is good at.

    Cards before Ampere have float16 only, and half-precision weights cannot be trained under it
    (torch's GradScaler: "Attempting to unscale FP16 gradients"), so full and freeze take float32.
    """
    trains_base = method in ("full", "freeze")
    if wanted == "float16" and (trains_base or not on_gpu):
        needs = "weights that are trained themselves" if on_gpu else "a CPU"
        raise TailfinError(
            f"model.dtype = float16 does not work for {needs}.",
            "Set model.dtype to auto, bfloat16 or float32.",
            where="model.dtype",
            error_id="model.dtype",
        )
    if wanted != "auto":
        return wanted
    if not on_gpu:
        return "float32"
    if has_bf16:
        return "bfloat16"
    return "float32" if trains_base else "float16"


def decoder_layers(model: Any) -> Any:
    """The list of decoder layers, outermost first; raises TailfinError where there is none."""
    import torch

    wanted = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    for module in decoder.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == wanted:
            return module
    raise TailfinError(
        f"The decoder layers of {type(model).__name__} could not be told apart.",
        "Set train.method to lora, qlora or full.",
        where="train.method",
        error_id="model.no-layers",
    )


def _device() -> tuple[str, bool]:
    """Where this process puts its model, and whether it computes bfloat16 natively."""
    import torch

    if not torch.cuda.is_available():
        return "cpu", True
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    torch.cuda.set_device(rank)
    return f"cuda:{rank}", bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _kept_bits(config: Any, method: Method, folder: Path) -> int:
    """Bits of a checkpoint that is stored quantised; 0 for a plain one."""
    held = getattr(config, "quantization_config", None)
    if held is None:
        return 0
    table = held if isinstance(held, dict) else held.to_dict()
    name = str(table.get("quant_method", "quantised"))
    if method in ("full", "freeze"):
        raise TailfinError(
            f"The weights in {folder} are stored quantised ({name}) and cannot be trained by "
            f"train.method = {method}.",
            "Set train.method to qlora, or name the original model.",
            where="train.method",
            error_id="model.quantised",
        )
    if table.get("load_in_8bit"):
        return 8
    return int(table.get("bits") or (4 if table.get("load_in_4bit") else 8))


def quantization_config(bits: int, double_quant: bool, dtype: str) -> Any:
    """How bitsandbytes stores a base in 4 or 8 bits, computing in `dtype`."""
    import torch
    from transformers import BitsAndBytesConfig

    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=double_quant,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )


@contextmanager
def _translated(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except TailfinError:
        raise
    except Exception as error:
        if is_memory(error):
            raise
        raise explain_load(error, folder, what) from error


def _check_complete(folder: Path, info: dict[str, Any], findings: list[Finding]) -> None:
    # transformers fills what is missing with random numbers and goes on with a warning.
    if missing := sorted(info["missing_keys"]):
        raise TailfinError(
            f"The weights in {folder} lack {_some(missing)}, which would start at random.",
            "Name a model whose checkpoint is complete, or copy its weights again.",
            where=folder,
            error_id="model.weights-missing",
        )
    if unused := sorted(info["unexpected_keys"]):
        said = f"The weights in {folder} also hold {_some(unused)}, which this model does not use."
        findings.append(Finding("model.unused-weights", "info", said, where=str(folder)))


def _some(names: list[str]) -> str:
    listed = ", ".join(names[:3])
    return f"{len(names)} tensors ({listed}, ...)" if len(names) > 3 else listed


def _check_vocabulary(folder: Path, model: Any, tokenizer: Any) -> None:
    rows, tokens = model.get_input_embeddings().weight.shape[0], len(tokenizer)
    if tokens > rows:
        raise TailfinError(
            f"The tokenizer in {folder} knows {tokens} tokens and the model only {rows}.",
            "Use the tokenizer files that came with this model.",
            where=folder,
            error_id="model.tokenizer-mismatch",
        )


def _check_trainable(folder: Path, model: Any) -> None:
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is not None and not quantizer.is_trainable:
        name = quantizer.quantization_config.quant_method
        raise TailfinError(
            f"No adapter can be trained on the {getattr(name, 'value', name)} weights in {folder}.",
            "Name the original model, and set train.method to qlora to quantise it here.",
            where=folder,
            error_id="model.quantised",
        )


def choose_trained(model: Any, method: Method, num_layers: int) -> None:
    """Which base weights get gradients; raises TailfinError for layers that are not there."""
    if method == "full":
        model.requires_grad_(True)
        return
    model.requires_grad_(False)
    if method != "freeze":
        return
    layers = decoder_layers(model)
    if num_layers > len(layers):
        raise TailfinError(
            f"train.trainable_layers is {num_layers}, and the model has {len(layers)} layers.",
            f"Set train.trainable_layers to at most {len(layers)}.",
            where="train.trainable_layers",
            error_id="model.too-few-layers",
        )
    for layer in layers[len(layers) - num_layers :]:
        layer.requires_grad_(True)


def _look_at_updates(
    model: Any, dtype: str, method: Method, learning_rate: float, findings: list[Finding]
) -> None:
    """Tell where half-precision weights would swallow most updates, measured on the weights.

    Adam moves a weight by about the learning rate; bfloat16 keeps 8 bits, so a step below 1/512 of
    a weight is rounded away.
    """
    if method not in ("full", "freeze") or dtype not in _HALF:
        return
    trained = max((p for p in model.parameters() if p.requires_grad), key=lambda p: p.numel())
    sample = trained.detach().flatten()[:_SAMPLE_WEIGHTS]
    lost = float((sample + learning_rate == sample).float().mean())
    if lost > 0.5:
        said = (
            f"{lost:.0%} of the trained weights would not move at learning rate "
            f"{learning_rate:g}: {dtype} rounds such small steps away."
        )
        fix = "Set model.dtype to float32, raise train.learning_rate, or train an adapter."
        findings.append(Finding("model.lost-updates", "warn", said, fix, "model.dtype"))
