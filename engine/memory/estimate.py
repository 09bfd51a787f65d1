"""The closed estimate: from a model's shape and a spec to a budget, in milliseconds, without torch.

Nothing here was fitted to a measurement. What a step allocates follows from the operations that
transformers, PEFT, bitsandbytes and TRL run (see `tape`); two figures are other people's
measurements and say so: what a process takes before its first tensor, and how much more the caching
allocator holds than the tensors in it.
"""

from __future__ import annotations

from engine.errors import TailfinError
from engine.memory.assumptions import assumptions
from engine.memory.budget import GIB, Budget, Phase, PhaseName
from engine.memory.cards import Card
from engine.memory.model_shape import ModelShape
from engine.memory.optimizer import OptimizerBytes, optimizer_bytes
from engine.memory.plan import plan_step
from engine.memory.recipe import Recipe
from engine.memory.step import Moment, evaluation_moments, train_moments
from engine.memory.storage import storage_of
from engine.memory.tape import Tag
from engine.memory.weights import (
    Trained,
    base_weights,
    bytes_of,
    largest_tensor_bytes,
    layer_gradient_bytes,
    parameters_of,
    trained_tensors,
)
from engine.spec import Spec

# Reserved by the allocator beyond the tensors in it, (usual, highest seen) as shares of these.
# Published, and without the expandable segments that the worker turns on, so careful figures:
# driver against tensors with a fused loss on A100, median 11 %, highest 14 % (fms-acceleration
# a100_80gb_liger.csv); reserved against tensors on T4 with SDPA, median 11 %, highest 25 %, and
# with eager attention, median 18 %, highest 42 % (fitcheck-llm 0.3.1 data/measurements).
FRAGMENTATION = (0.11, 0.25)
FRAGMENTATION_WITH_SCORES = (0.18, 0.42)
# A worker on the CPU before its model: torch 2.13, transformers 5.23, TRL 1.16 imported 477 MiB.
CPU_BASELINE_BYTES = 477 * 2**20


def estimate(
    shape: ModelShape,
    spec: Spec,
    length: int,
    card: Card,
    *,
    download: int | None = None,
    recipe: Recipe | None = None,
    evaluation: Recipe | None = None,
) -> Budget:
    """Predict memory for rows of `length` tokens.

    `download` are the bytes of the model's files where they are known. `recipe` and `evaluation`
    replace what the installed stack would do, to describe another one. Raises TailfinError for
    settings that cannot work with this model.
    """
    train = spec.train
    recipe = recipe or plan_step(shape, spec, length, card)
    evaluation = evaluation or plan_step(
        shape, spec, length, card, rows=spec.eval.micro_batch or train.micro_batch, packed=False
    )
    layers = _num_trained_layers(shape, spec)
    tensors = trained_tensors(shape, recipe, layers)
    optimizer = optimizer_bytes(tensors, train.optimizer, recipe, weight_decay=train.weight_decay)
    static = _Static(shape, recipe, tensors, optimizer)
    moments = train_moments(
        shape,
        recipe,
        num_trained_layers=layers,
        layer_gradients=_layer_gradients(shape, recipe, layers),
        other_gradients=static.gradients - sum(_layer_gradients(shape, recipe, layers)),
    )
    working = optimizer.transient + recipe.blas_workspace  # cuBLAS keeps its buffers for good
    step = Moment("optimizer step", (0, working, static.gradients, 0))
    phases = (
        static.phase("load", _loading(shape, recipe), card, has_optimizer=False),
        static.phase("train", max(*moments, step, key=lambda m: m.total), card),
        static.phase(
            "eval", max(evaluation_moments(shape, evaluation), key=lambda m: m.total), card
        ),
        static.phase("save", Moment("writing a checkpoint", (0, 0, 0, 0)), card),
    )
    usual, highest = _fragmentation(recipe)
    spread = max(highest - usual if card.is_gpu else 0.0, card.miss) * phases[1].tensor_bytes
    return Budget(
        card=card,
        length=length,
        phases=phases,
        spread_bytes=int(spread),
        storage=storage_of(
            shape,
            spec,
            recipe,
            tensors,
            optimizer,
            download=download,
            baseline=CPU_BASELINE_BYTES,
            largest=largest_tensor_bytes(shape, recipe),
        ),
        findings=tuple(assumptions(shape, spec, length, card, recipe)),
        num_params=shape.params,
        num_trained=parameters_of(tensors),
    )


class _Static:
    """Bytes that stay from step to step: weights, adapter, gradients and optimizer states."""

    def __init__(
        self,
        shape: ModelShape,
        recipe: Recipe,
        tensors: list[Trained],
        optimizer: OptimizerBytes,
    ) -> None:
        self.base = base_weights(shape, recipe).total
        self.gradients = bytes_of(tensors, recipe)
        self.adapter = 0 if recipe.trains_base else self.gradients
        self.states = optimizer.states
        self.share = _fragmentation(recipe)[0]

    def phase(
        self, name: PhaseName, moment: Moment, card: Card, *, has_optimizer: bool = True
    ) -> Phase:
        tensors = (
            self.base,
            self.adapter if has_optimizer else 0,
            moment.parts[Tag.GRADIENT],
            self.states if has_optimizer else 0,
            moment.parts[Tag.ACTIVATION],
            moment.parts[Tag.LOSS],
            moment.parts[Tag.WORKSPACE],
        )
        # transformers reserves the weights in one block while loading (caching_allocator_warmup)
        usual = self.share if card.reserved_share is None else card.reserved_share
        share = usual if card.is_gpu and name != "load" else 0.0
        context = int(card.context_gib * GIB) if card.is_gpu else CPU_BASELINE_BYTES
        rest = (int(share * sum(tensors)), context, int(card.taken_gib * GIB))
        return Phase(name, moment.name, (*tensors, *rest))


def _fragmentation(recipe: Recipe) -> tuple[float, float]:
    writes_scores = recipe.kernel in ("eager", "math")
    return FRAGMENTATION_WITH_SCORES if writes_scores else FRAGMENTATION


def _num_trained_layers(shape: ModelShape, spec: Spec) -> int:
    if spec.train.method != "freeze":
        return len(shape.layers)
    wanted = spec.train.trainable_layers
    if wanted > len(shape.layers):
        raise TailfinError(
            f"train.trainable_layers is {wanted}, but the model has {len(shape.layers)} layers.",
            f"Set train.trainable_layers to at most {len(shape.layers)}.",
            where="train.trainable_layers",
            error_id="budget.layers",
        )
    return wanted


def _layer_gradients(shape: ModelShape, recipe: Recipe, trained: int) -> tuple[int, ...]:
    sizes = [layer_gradient_bytes(kind, recipe) for kind in shape.kinds]
    first = len(shape.layers) - trained
    return tuple(sizes[kind] if i >= first else 0 for i, kind in enumerate(shape.layers))


def _loading(shape: ModelShape, recipe: Recipe) -> Moment:
    """Quantising goes tensor by tensor (core_model_loading.py): the largest is there in full."""
    passing = largest_tensor_bytes(shape, recipe) if recipe.bits and recipe.on_gpu else 0
    return Moment("loading the weights", (0, passing, 0, 0))
