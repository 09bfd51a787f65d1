"""The simulation of a published row: the loop of its stack, executed on fake tensors.

The model class, bitsandbytes, PEFT and the CUDA corrections are those of the product's simulation;
only the loop round them, its casts and its loss are the stack's own and stand here alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import bitsandbytes.functional as bnb_functional
import torch
import torch.nn.functional as F
import transformers.integrations.sdpa_attention as sdpa
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig
from transformers.quantizers import AutoHfQuantizer

from engine.memory.allocator import replay
from engine.worker.simulate.build import fill_model
from engine.worker.simulate.cuda import contexts_of
from engine.worker.simulate.setting import Setting, setting_of
from engine.worker.simulate.tracker import Tracker
from tests.benchmarks.published.closed import spec_of
from tests.benchmarks.published.rows import PLAIN_LOOP, Row


@dataclass(frozen=True, slots=True)
class Traced:
    """Peaks of one optimizer step beside its states, in bytes.

    `tensors` sums what lives; `allocated` and `reserved` are what the caching allocator counts for
    the same stream, loading included and without expandable segments, as these stacks ran.
    """

    tensors: int
    allocated: int
    reserved: int


def trace_row(row: Row) -> Traced:
    """Execute the row's step; takes seconds."""
    setting = setting_of(spec_of(row), row.length, row.card, padded=False)
    tracker = Tracker(setting.granule)
    model = _model(row, setting)
    with ExitStack() as stack:
        stack.enter_context(_own_tables())
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        stack.enter_context(tracker)
        for context in contexts_of(row.card, tracker):
            stack.enter_context(context)
        if row.stack == PLAIN_LOOP:  # measure.py repeats keys and values before the kernel
            stack.enter_context(patch.object(sdpa, "use_gqa_in_sdpa", lambda *_: False))
        fill_model(model, setting, tracker)
        tensors = _step(row, model, tracker)
    held = replay(tracker.stream, expandable=False)
    return Traced(tensors, held.allocated_peak, held.reserved_peak)


def _step(row: Row, model: Any, tracker: Tracker) -> int:
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    for parameter in trained:  # an earlier step made the states
        parameter.grad = torch.empty_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    model.train()
    tracker.begin("train", "step")
    size = (row.rows, row.length)
    ids, labels = torch.zeros(size, dtype=torch.int64), torch.zeros(size, dtype=torch.int64)
    keeps_output = row.stack == PLAIN_LOOP
    with _autocast(row):
        output = model(input_ids=ids, labels=labels, use_cache=False)
    loss = output.loss
    if not keeps_output:
        del output
    loss.backward()
    del loss
    optimizer.step()
    return tracker.peaks["train"].total


def _model(row: Row, setting: Setting) -> Any:
    """On `meta`: quantised, prepared and adapted as the row's stack does."""
    dtype = getattr(torch, setting.dtype)
    config = AutoConfig.for_model(**row.config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            config, dtype=dtype, attn_implementation="eager" if row.eager else "sdpa"
        )
    model.config.use_cache = False
    if row["attention_impl"] == "flash_attention_2":  # the package itself is not needed
        model.config._attn_implementation = "flash_attention_2"
    if row.quantised:
        wanted = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_use_double_quant=row.stack != PLAIN_LOOP,
        )
        quantizer = AutoHfQuantizer.from_config(wanted, pre_quantized=False)
        quantizer.preprocess_model(model=model, device_map=None)
        model = quantizer.postprocess_model(model)
    if row.stack != PLAIN_LOOP:
        model.loss_function = partial(_loss_of_4_48, wide=row.config["model_type"] != "gpt_bigcode")
    if row.quantised and (row.stack == PLAIN_LOOP or row.prepared):
        with torch.device("meta"):
            model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    if row.method != "full":
        for parameter in model.parameters():
            parameter.requires_grad = False
        model = _adapted(row, model)
    if row["grad_ckpt"] == "yes":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if row.method != "full":
            model.enable_input_require_grads()
    return model


def _adapted(row: Row, model: Any) -> Any:
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=row.rank,
        lora_alpha=16,
        lora_dropout=0.0 if row.stack == PLAIN_LOOP else 0.1,
        target_modules=row.targets,
    )
    with torch.device("meta"):
        model = get_peft_model(model, lora)
    if row.prepared:
        _cast_as_trl_0_13(model)
    return model


def _cast_as_trl_0_13(model: Any) -> None:
    """peft_module_casting_to_bf16: norms stay in float32, embeddings and head do not."""
    for name, parameter in model.named_parameters():
        if "lm_head" in name or "embed_tokens" in name:
            parameter.data = parameter.data.to(torch.bfloat16)


def _loss_of_4_48(
    logits: Tensor, labels: Tensor, vocab_size: int, *, wide: bool, **_: Any
) -> Tensor:
    """transformers 4.48: logits in float32 (not so in GPTBigCode's own loss), shifted by a copy."""
    if wide:
        logits = logits.float()
    shifted = logits[..., :-1, :].contiguous()
    targets = labels[..., 1:].contiguous()
    return F.cross_entropy(shifted.view(-1, vocab_size), targets.view(-1), ignore_index=-100)


def _autocast(row: Row) -> contextlib.AbstractContextManager[Any]:
    if row.stack == PLAIN_LOOP or not row.autocast:
        return contextlib.nullcontext()
    context: contextlib.AbstractContextManager[Any] = torch.autocast("cpu", dtype=torch.bfloat16)
    return context


@contextlib.contextmanager
def _own_tables() -> Iterator[None]:
    """No fake tensor stays in bitsandbytes' global table of codes."""
    with patch.dict(bnb_functional.name2qmap):
        yield
