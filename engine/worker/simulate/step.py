"""The training loop's own operations, in its order: forward, loss, backward, clip, update."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

from engine.errors import TailfinError
from engine.worker.arguments import _OPTIMIZERS
from engine.worker.load import decoder_layers
from engine.worker.simulate.build import base_of
from engine.worker.simulate.setting import Batch, Setting
from engine.worker.simulate.tracker import Tracker
from engine.worker.simulate.unknown import conditions
from engine.worker.sums import TokenSums


class Loop:
    """A model with its optimizer, taken through steps and evaluations under the tracker."""

    def __init__(self, model: Any, setting: Setting, tracker: Tracker) -> None:
        self.model, self.setting, self.tracker = model, setting, tracker
        self.optimizer = _optimizer(model, setting)
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.sums, self.eval_sums = TokenSums(), TokenSums()
        self._backward = False
        _watch_moments(model, tracker, self)
        for parameter in self.trained:
            parameter.register_post_accumulate_grad_hook(self._book_gradient)

    def train_step(self, *, keep_gradients: bool = False) -> None:
        """One micro-batch and the optimizer's move, gradients kept for a next one or released."""
        tracker, spec = self.tracker, self.setting.spec
        self.model.train()
        tracker.begin("train", "micro-batch")
        waiting = self._waiting(self.setting.train, spec.train.accumulation)
        inputs = make_inputs(self.setting.train)
        loss = self._loss(inputs, self.setting.train, self.sums)
        del inputs
        tracker.moment = "backward of the loss"
        self._backward = True
        loss.backward()
        self._backward = False
        del loss
        tracker.serve("activations")
        tracker.moment = "optimizer step"
        with tracker.serving("workspace"):
            if spec.train.max_grad_norm:
                torch.nn.utils.clip_grad_norm_(self.trained, spec.train.max_grad_norm)
            self.optimizer.step()
        del waiting
        tracker.adopt(_tensors(self.optimizer.state), "optimizer")
        # bitsandbytes puts biases in another format on the way
        tracker.adopt((p for p in self.model.parameters() if not p.requires_grad), "base weights")
        if not keep_gradients:
            self.optimizer.zero_grad()
        tracker.moment = "between steps"

    def evaluate(self) -> None:
        """One forward pass without gradients, as prediction_step makes it."""
        self.model.eval()
        self.tracker.begin("eval", "evaluation")
        with torch.no_grad():
            waiting = self._waiting(self.setting.evaluation, 1)
            inputs = make_inputs(self.setting.evaluation)
            self._loss(inputs, self.setting.evaluation, self.eval_sums)
            del inputs, waiting
        self.tracker.serve("activations")

    def _waiting(self, batch: Batch, count: int) -> list[dict[str, Any]]:
        """Batches that the trainer fetched ahead; they lie where the model is only on a CPU."""
        return [] if self.setting.card.is_gpu else [make_inputs(batch) for _ in range(count)]

    def _loss(self, inputs: dict[str, Any], batch: Batch, sums: TokenSums) -> Any:
        """The loss line of SFTTrainer.compute_loss (trl 1.16), without its reading of numbers."""
        num_items = torch.empty((), dtype=torch.int64)
        passed = {name: value for name, value in inputs.items() if name != "all_ones"}
        # transformers asks the numbers whether a mask is all ones, and whether rows are packed
        with self._autocast(), conditions(not batch.needs_mask):
            outputs = self.model(**passed, use_cache=False, fused_lm_head=True)
        sums.add(outputs)
        per_token = -outputs.log_probs
        loss = per_token.sum() / torch.as_tensor(num_items).clamp(min=1)
        if outputs.aux_loss is not None:
            coefficient = getattr(self.model.config, "router_aux_loss_coef", 0.0)
            loss = loss + coefficient * outputs.aux_loss
        return loss

    def _autocast(self) -> Any:
        form = self.setting.autocast
        if not form:
            return contextlib.nullcontext()
        return torch.autocast("cpu", dtype=getattr(torch, form))

    def _book_gradient(self, parameter: torch.Tensor) -> None:
        self.tracker.adopt([parameter.grad], "gradients")


def make_inputs(batch: Batch) -> dict[str, Any]:
    """What TRL's collator gives; a mask of ones only is there, but not under its name."""
    size = (batch.rows, batch.length)
    inputs: dict[str, Any] = {
        "input_ids": torch.zeros(size, dtype=torch.int64),
        "labels": torch.zeros(size, dtype=torch.int64),
    }
    if batch.packed:
        inputs["position_ids"] = torch.zeros(size, dtype=torch.int64)
        inputs["seq_idx"] = torch.zeros(size, dtype=torch.int32)
        bounds = torch.zeros(batch.documents + 1, dtype=torch.int32)
        inputs["cu_seq_lens_q"] = inputs["cu_seq_lens_k"] = bounds
        longest = batch.length // batch.documents
        inputs["max_length_q"] = inputs["max_length_k"] = longest
    else:
        name = "attention_mask" if batch.padded else "all_ones"
        inputs[name] = torch.ones(size, dtype=torch.int64)
    return inputs


def _optimizer(model: Any, setting: Setting) -> torch.optim.Optimizer:
    """The optimizer that transformers makes of the spec's name, groups and exceptions included."""
    train = setting.spec.train
    arguments = TrainingArguments(
        output_dir="unused",
        use_cpu=True,
        optim=_OPTIMIZERS[train.optimizer],
        learning_rate=train.learning_rate,
        weight_decay=train.weight_decay,
    )
    trainer = Trainer.__new__(Trainer)  # its constructor would move the model to a device
    trainer.args, trainer.model = arguments, model
    trainer.optimizer = trainer.optimizer_cls_and_kwargs = None
    made: torch.optim.Optimizer = trainer.create_optimizer()
    return made


def _watch_moments(model: Any, tracker: Tracker, loop: Loop) -> None:
    """Name the moments by layer, and part the head and its loss from the layers below."""
    base = base_of(model)
    try:
        layers = list(decoder_layers(base))
    except TailfinError:
        layers = []
    for index, layer in enumerate(layers):
        layer.register_forward_pre_hook(_before_layer(tracker, loop, index + 1))
        layer.register_forward_hook(_after_layer(tracker, index + 1))
    base.base_model.register_forward_hook(_after_backbone(tracker))


def _before_layer(tracker: Tracker, loop: Loop, number: int) -> Any:
    def hook(_module: Any, _inputs: Any) -> None:
        direction = "backward" if loop._backward else "forward"
        tracker.moment = f"{direction} of layer {number}"

    return hook


def _after_layer(tracker: Tracker, number: int) -> Any:
    def arrived(_gradient: torch.Tensor) -> None:
        tracker.moment = f"backward of layer {number}"

    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        if isinstance(hidden, torch.Tensor) and hidden.requires_grad:
            hidden.register_hook(arrived)

    return hook


def _after_backbone(tracker: Tracker) -> Any:
    def arrived(_gradient: torch.Tensor) -> None:
        tracker.serve("activations")

    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        tracker.moment = "loss"
        tracker.serve("logits and loss")
        hidden = output[0]
        if hidden.requires_grad:
            hidden.register_hook(arrived)

    return hook


def _tensors(tree: Any) -> Iterator[torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _tensors(value)
