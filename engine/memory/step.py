"""The moments of a training step and of an evaluation pass at which memory can be highest."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.memory.head import head_and_loss
from engine.memory.layer import decoder_layer
from engine.memory.model_shape import LayerKind, ModelShape
from engine.memory.recipe import Recipe
from engine.memory.tape import Tag, Tape


@dataclass(frozen=True, slots=True)
class Moment:
    """Bytes that live beside weights, adapter and optimizer, by `Tag`; `name` says when."""

    name: str
    parts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.parts)


def train_moments(
    shape: ModelShape,
    recipe: Recipe,
    *,
    num_trained_layers: int,
    layer_gradients: tuple[int, ...],
    other_gradients: int,
) -> list[Moment]:
    """Moments of one micro-batch, forward and backward; one of them is the highest.

    Backward passes through the last `num_trained_layers` layers. `layer_gradients[i]` are bytes of
    the parameter gradients of layer i, `other_gradients` those of embedding, final norm and head.
    """
    count = len(shape.layers)
    first = count - num_trained_layers
    item = _residual_item(shape, recipe)
    usual = [_layer_pass(shape, recipe, kind, item) for kind in shape.kinds]
    passes = [usual[kind] for kind in shape.layers]
    if not _reaches_embedding(recipe):
        lowest = shape.kinds[shape.layers[first]]
        passes[first] = _layer_pass(shape, recipe, lowest, item, needs_gradient=False)
    stored = recipe.tokens * shape.hidden * item
    kept = [stored + one.attached if recipe.checkpointing else one.kept for one in passes]
    if recipe.checkpointing:  # the lowest layer's input is the embedding's, in its own format
        kept[0] -= recipe.tokens * shape.hidden * max(item - recipe.embedding_item, 0)
    below = [0] * (count + 1)  # what layers before i keep for their backward
    for index in range(count):
        below[index + 1] = below[index] + (kept[index] if index >= first else 0)
    above = [0] * (count + 1)  # gradients made when layer i is reached
    for index in reversed(range(count)):
        above[index] = above[index + 1] + layer_gradients[index]
    everything = above[0] + other_gradients
    casts = _cached_casts(recipe, layer_gradients)
    base = _always(shape, recipe)
    # the mask goes with the model's forward pass, unless layers are to be computed once more
    later = base if recipe.checkpointing else _always(shape, recipe, has_mask=False)
    after_loss = _add(later, (0, 0, 0, _kept_logits(shape, recipe)))

    table = shape.embedding_params * recipe.embedding_item  # a gradient of the embedding
    of_the_head = other_gradients - (0 if shape.tied else table) if recipe.trains_head else 0
    pending = table if shape.tied and recipe.trains_head and recipe.accumulating else 0

    def gradients(made: int) -> int:
        return everything if recipe.accumulating else made

    moments = []
    for index in _telling_layers(shape, first):
        one = passes[index]
        made = gradients(above[index + 1] + of_the_head)
        moments.append(
            _moment(
                f"backward of layer {index + 1}",
                after_loss,
                below[index] + one.attached,
                made + pending,  # the tied head's, waiting for the embedding's
                one.backward,
            )
        )
        forward = one.light if recipe.checkpointing else one.forward
        held = gradients(0)
        under = below[index] + sum(casts[:index])
        moments.append(_moment(f"forward of layer {index + 1}", base, under, held, forward))
    head, head_backward = _head(shape, recipe, item)
    under = below[count] + sum(casts)
    moments.append(_moment("loss", later, under, gradients(0), head))
    moments.append(
        _moment("backward of the loss", later, below[count], gradients(0), head_backward)
    )
    if recipe.trains_head:
        # a tied table has a gradient from both ends, and their sum is a third tensor
        extra = (2 if shape.tied else 0) + (1 if recipe.accumulating else 0)
        parts = (stored, 0, everything + extra * table, 0)
        moments.append(Moment("backward of the embedding", _add(after_loss, parts)))
    return moments


def evaluation_moments(shape: ModelShape, recipe: Recipe) -> list[Moment]:
    """Moments of a forward pass without gradients."""
    recipe = replace(recipe, evaluating=True)
    item = _residual_item(shape, recipe)
    base = _always(shape, recipe)
    moments = [
        _moment("evaluation of a layer", base, 0, 0, _light_pass(shape, recipe, kind, item)[0])
        for kind in shape.kinds
    ]
    tape = Tape(granule=recipe.granule, keep=False, accumulating=False)
    head_and_loss(tape, recipe, shape, tape.new(recipe.tokens * shape.hidden, item))
    return [*moments, _moment("evaluation loss", base, 0, 0, tape.peak.parts)]


@dataclass(frozen=True, slots=True)
class _Pass:
    """One layer kind: what it keeps, and the peaks of its passes by tag, its input included.

    `attached` is what stays of a first pass although the layer is computed once more.
    """

    kept: int
    attached: int
    light: tuple[int, ...]
    forward: tuple[int, ...]
    backward: tuple[int, ...]


def _reaches_embedding(recipe: Recipe) -> bool:
    """Whether the lowest trained layer passes a gradient on: its input asks for one."""
    if recipe.trains_head:
        return True
    # peft's enable_input_require_grads, which the trainer calls under recomputation alone
    return not recipe.trains_base and recipe.checkpointing


def _layer_pass(
    shape: ModelShape, recipe: Recipe, kind: LayerKind, item: int, *, needs_gradient: bool = True
) -> _Pass:
    tape = Tape(
        granule=recipe.granule,
        keep=True,
        accumulating=recipe.accumulating,
        recomputes=recipe.checkpointing,
    )
    x = tape.new(recipe.tokens * shape.hidden, item)
    x.needs_gradient = needs_gradient
    waiting = tape.new(recipe.tokens * shape.hidden * int(recipe.checkpointing), item)
    out = decoder_layer(tape, recipe, shape, kind, x)
    forward = tape.peak.parts
    if not recipe.checkpointing:
        tape.drop(x)
    kept = sum(tape.live) - out.elements * out.item
    tape.drop(out, waiting)  # the gradient of the output waited while the layer was recomputed
    if not recipe.checkpointing:  # else the recomputation belongs to the backward pass
        tape.forget_peak()
    tape.backward(out)
    light, attached = _light_pass(shape, recipe, kind, item)
    return _Pass(kept, attached, light, forward, tape.peak.parts)


def _light_pass(
    shape: ModelShape, recipe: Recipe, kind: LayerKind, item: int
) -> tuple[tuple[int, ...], int]:
    """The forward pass of a layer that keeps nothing for backward, or next to nothing."""
    later = recipe.checkpointing and not recipe.evaluating
    tape = Tape(granule=recipe.granule, keep=False, accumulating=False, recomputes=later)
    x = tape.new(recipe.tokens * shape.hidden, item)
    out = decoder_layer(tape, recipe, shape, kind, x)
    peak = tape.peak.parts
    tape.drop(x, out)
    return peak, sum(tape.live)


def _head(shape: ModelShape, recipe: Recipe, item: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The peaks of the head's and loss's forward and backward pass."""
    tape = Tape(granule=recipe.granule, keep=True, accumulating=recipe.accumulating)
    out = head_and_loss(tape, recipe, shape, tape.new(recipe.tokens * shape.hidden, item))
    forward = tape.peak.parts
    tape.forget_peak()
    tape.backward(out)
    return forward, tape.peak.parts


def _cached_casts(recipe: Recipe, layer_gradients: tuple[int, ...]) -> tuple[int, ...]:
    """Per layer, the casts of trained weights that autocast holds to the end of the forward pass.

    Without recomputation the layers keep them for their backward anyway.
    """
    own = recipe.base_item if recipe.trains_base else recipe.lora_item
    differs = own != recipe.compute_item or recipe.casts_adapter
    if not (recipe.autocast and differs and recipe.checkpointing):
        return (0,) * len(layer_gradients)
    return tuple(size * recipe.compute_item // own for size in layer_gradients)


def _residual_item(shape: ModelShape, recipe: Recipe) -> int:
    """Bytes per entry of the hidden states between layers, once they have settled."""
    small = replace(recipe, rows=1, length=1, granule=1)
    tape = Tape(granule=1, keep=False, accumulating=False)
    x = tape.new(shape.hidden, recipe.embedding_item)
    return decoder_layer(tape, small, shape, shape.kinds[0], x).item


def _always(shape: ModelShape, recipe: Recipe, *, has_mask: bool = True) -> tuple[int, ...]:
    """Batch, mask, cosine and sine, and cuBLAS's workspaces: there through the whole pass."""
    batch = 3 * 8 * recipe.tokens  # input ids, labels and attention mask, int64
    rotary = 2 * recipe.length * shape.head_dim * recipe.embedding_item
    mask = recipe.scores * recipe.mask_item * has_mask
    return (batch + rotary + mask, recipe.blas_workspace, 0, 0)


def _kept_logits(shape: ModelShape, recipe: Recipe) -> int:
    """Logits that the caller of a plain model holds while it goes backward."""
    if recipe.fused_head or not recipe.keeps_logits:
        return 0
    item = recipe.compute_item if recipe.autocast else recipe.head_item
    return recipe.tokens * shape.vocab * item


def _telling_layers(shape: ModelShape, first: int) -> list[int]:
    """The first and last trained layer of each kind: memory is linear in the layers between."""
    telling: set[int] = set()
    for kind in set(shape.layers):
        indices = [i for i, k in enumerate(shape.layers) if k == kind and i >= first]
        telling.update(indices[:1] + indices[-1:])
    return sorted(telling)


def _moment(
    name: str, base: tuple[int, ...], kept: int, gradients: int, parts: tuple[int, ...]
) -> Moment:
    held = [0] * len(Tag)
    held[Tag.ACTIVATION] = kept
    held[Tag.GRADIENT] = gradients
    return Moment(name, _add(_add(base, tuple(held)), parts))


def _add(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(x + y for x, y in zip(a, b, strict=True))
