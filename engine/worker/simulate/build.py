"""The model of a run as the worker would have it after loading, on fake tensors.

The real class is made on `meta`, quantised linears and the adapter are put in by transformers and
PEFT themselves, and only then every parameter is replaced by a fake one of its format.
"""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import bitsandbytes.functional as bnb_functional
import torch
from bitsandbytes.nn import Linear4bit, Linear8bitLt
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import dora
from torch._subclasses.fake_tensor import FakeTensor
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.quantizers import AutoHfQuantizer
from trl.trainer.utils import add_fused_lm_head

from engine.errors import TailfinError
from engine.worker.arguments import lora_arguments
from engine.worker.load import choose_trained, quantization_config
from engine.worker.simulate.cuda_flash import flash_package
from engine.worker.simulate.setting import Setting
from engine.worker.simulate.tracker import Tracker

# What the trainer asks of the fused head (trl/trainer/sft_trainer.py 1.16).
_OUTPUTS = ("log_probs", "entropy", "is_top1")


class _Packed4bit(FakeTensor):
    """A fake weight that libraries recognise by the name of its class."""


class _Packed8bit(FakeTensor):
    """The same for 8 bits."""


_Packed4bit.__name__ = "Params4bit"
_Packed8bit.__name__ = "Int8Params"


def build_model(config: dict[str, Any], setting: Setting) -> Any:
    """The model on `meta`, quantised, adapted and patched, but without storage."""
    spec = setting.spec
    model = _bare_model(config, setting)
    model.config.use_cache = False
    if setting.bits:
        wanted = quantization_config(setting.bits, spec.train.double_quant, setting.dtype)
        quantizer = AutoHfQuantizer.from_config(wanted, pre_quantized=False)
        quantizer.preprocess_model(model=model, device_map=None)
        model = quantizer.postprocess_model(model)
    choose_trained(model, spec.train.method, spec.train.trainable_layers)
    lora = lora_arguments(spec)
    if lora is not None:
        try:
            with torch.device("meta"), patch.object(dora, "dequantize_module_weight", _in_full):
                model = get_peft_model(model, LoraConfig(**lora))
        except ValueError as error:
            raise TailfinError(
                f"PEFT cannot adapt this model: {str(error).splitlines()[0]}",
                "Choose other train.targets, or train.method = full.",
                where="train.targets",
                error_id="simulate.adapter",
            ) from error
    if spec.train.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if setting.adapts:
            model.enable_input_require_grads()
        else:  # as engine.worker.trl_seams does
            model.disable_input_require_grads()
    if setting.bits:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and "lora_magnitude_vector" not in name:
                parameter.data = parameter.data.to(torch.bfloat16)
    add_fused_lm_head(base_of(model), outputs=_OUTPUTS)
    return model


def _in_full(module: Any) -> torch.Tensor:
    """DoRA takes its start from the weights, and packed ones on `meta` cannot be unpacked."""
    return torch.empty(module.out_features, module.in_features)


def base_of(model: Any) -> Any:
    """transformers' model, without PEFT's wrapper."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def fill_model(model: Any, setting: Setting, tracker: Tracker) -> None:
    """Give every parameter and buffer a fake storage, in the order of loading; under the modes."""
    known: dict[int, torch.Tensor] = {}
    for wants_adapter in (False, True):
        for module in model.modules():
            for name, parameter in list(module._parameters.items()):
                if parameter is None or not parameter.is_meta:
                    continue
                if (setting.adapts and parameter.requires_grad) != wants_adapter:
                    continue
                if id(parameter) not in known:
                    new = _filled(module, name, parameter, setting)
                    tracker.adopt([new], "adapter" if wants_adapter else "base weights")
                    known[id(parameter)], known[-id(parameter)] = new, parameter  # keeps its id
                module._parameters[name] = known[id(parameter)]
            for name, buffer in list(module._buffers.items()):
                if buffer is not None and buffer.is_meta:
                    module._buffers[name] = torch.empty_like(buffer, device="cpu")
            _fill_attributes(module)
    tracker.adopt([*model.buffers(), *_quantised_parts(model)], "base weights")


def _bare_model(config: dict[str, Any], setting: Setting) -> Any:
    held = dict(config)
    held.pop("quantization_config", None)
    kind = str(held.get("model_type", ""))
    try:
        read = AutoConfig.for_model(**{**held, "model_type": kind})
    except (KeyError, ValueError) as error:
        raise TailfinError(
            f"transformers does not know the model type {kind or '(none)'}.",
            "Use the estimate, or a model whose class is part of transformers.",
            where="config.json: model_type",
            error_id="simulate.model-type",
        ) from error
    wanted = setting.spec.model.attention
    try:
        with torch.device("meta"), flash_package(setting.card.is_gpu):
            return AutoModelForCausalLM.from_config(
                read,
                dtype=getattr(torch, setting.dtype),
                attn_implementation=None if wanted == "auto" else wanted,
            )
    except (ValueError, ImportError) as error:
        raise TailfinError(
            f"transformers cannot build this model: {str(error).splitlines()[0]}",
            "Check model.attention, or use the estimate.",
            where="config.json",
            error_id="simulate.build",
        ) from error


def _filled(module: Any, name: str, parameter: Any, setting: Setting) -> torch.Tensor:
    dtype = parameter.dtype
    if name == "weight" and isinstance(module, Linear4bit):
        return _in_4_bits(module, parameter, getattr(torch, setting.dtype))
    if name == "weight" and isinstance(module, Linear8bitLt):
        return _in_8_bits(parameter, getattr(torch, setting.dtype))
    new = torch.empty(parameter.shape, dtype=dtype)
    return torch.nn.Parameter(new, requires_grad=parameter.requires_grad)


def _in_4_bits(module: Any, parameter: Any, dtype: torch.dtype) -> torch.Tensor:
    whole = torch.empty(module.out_features, module.in_features, dtype=dtype)
    packed, state = bnb_functional.quantize_4bit(
        whole,
        blocksize=parameter.blocksize,
        compress_statistics=parameter.compress_statistics,
        quant_type=parameter.quant_type,
        quant_storage=parameter.quant_storage,
    )
    for held in (state, state.state2):
        if held is not None and not isinstance(held.code, FakeTensor):
            held.code = torch.empty(held.code.shape)
    return _dressed(packed, _Packed4bit, quant_state=state, bnb_quantized=True, module=module)


def _in_8_bits(parameter: Any, dtype: torch.dtype) -> torch.Tensor:
    whole = torch.empty(parameter.shape, dtype=dtype).to(torch.float16)
    rows = torch.empty(whole.shape, dtype=torch.int8)
    scales = torch.empty(whole.shape[0], dtype=torch.float32)
    return _dressed(rows.view(rows.shape), _Packed8bit, CB=rows, SCB=scales, has_fp16_weights=False)


def _dressed(tensor: torch.Tensor, kind: type, **attributes: Any) -> torch.Tensor:
    """A fake tensor that passes as bitsandbytes' parameter; `_make_subclass` refuses fake ones."""
    tensor._is_param = True
    tensor.__class__ = kind
    for name, value in attributes.items():
        setattr(tensor, name, value)
    return tensor


def _fill_attributes(module: Any) -> None:
    """Tensors that a module keeps as plain attributes."""
    for name, value in list(vars(module).items()):
        if isinstance(value, torch.Tensor) and value.is_meta:
            setattr(module, name, torch.empty_like(value, device="cpu"))


def _quantised_parts(model: Any) -> list[torch.Tensor | None]:
    found: list[torch.Tensor | None] = []
    for module in model.modules():
        weight = module._parameters.get("weight")
        state = getattr(weight, "quant_state", None)
        if state is not None:
            found += [state.absmax, state.code, state.offset]
            if state.state2 is not None:
                found += [state.state2.absmax, state.state2.code]
        found += [getattr(weight, "CB", None), getattr(weight, "SCB", None)]
    return found
