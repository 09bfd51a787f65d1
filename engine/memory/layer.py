"""What a decoder layer allocates: norms, attention, and the dense or the sparse block after it."""

from __future__ import annotations

from engine.memory.attention import attention
from engine.memory.experts import gate_halves, sparse
from engine.memory.linear import add, cast, linear, recast
from engine.memory.model_shape import LayerKind, ModelShape
from engine.memory.recipe import Recipe
from engine.memory.tape import Tag, Tape, Tensor


def decoder_layer(
    tape: Tape, recipe: Recipe, shape: ModelShape, kind: LayerKind, x: Tensor
) -> Tensor:
    """Hidden states after one layer; `x` stays with the caller, as in transformers' loop."""
    wraps = kind.norms.count(shape.hidden) > 2  # a norm after each block as well (Gemma 2 and 3)
    normed = layer_norm(tape, recipe, x, shape.hidden, shape.norm_style)
    mixed, weights = attention(
        tape,
        recipe,
        shape,
        kind,
        normed,
        lambda t, r, y, size: layer_norm(t, r, y, size, shape.norm_style),
    )
    tape.drop(normed)
    if wraps:
        mixed = _after(tape, recipe, shape, mixed)
    middle = add(tape, x, mixed)
    tape.drop(mixed)
    normed = layer_norm(tape, recipe, middle, shape.hidden, shape.norm_style)
    if kind.experts is not None:
        out = sparse(tape, recipe, kind.experts, normed)
    else:
        out = _dense(tape, recipe, kind, normed)
    tape.drop(normed)
    if wraps:
        out = _after(tape, recipe, shape, out)
    result = add(tape, middle, out)
    tape.drop(out, middle)
    if weights is not None:
        tape.drop(weights)
    return result


def layer_norm(tape: Tape, recipe: Recipe, x: Tensor, size: int, style: str) -> Tensor:
    """RMSNorm over the last `size` entries, computed in float32."""
    rows = x.elements // size
    wide = cast(tape, x, 4)
    squares = tape.new(wide.elements, 4)
    scale = tape.new(rows, 4)
    # pow_backward: the mean's expanded gradient, the input to the power 1, and twice that
    tape.record(scale, [wide], saved=[wide], temporary=[(3 * wide.elements * 4, Tag.ACTIVATION)])
    tape.drop(squares)
    normed = tape.new(wide.elements, 4)
    temporary = [(wide.elements * 4, Tag.ACTIVATION)]  # gradient of the scale before its sum
    tape.record(normed, [wide, scale], saved=[wide, scale], temporary=temporary)
    tape.drop(wide, scale)
    if style == "gemma":  # (x * (1 + w)).to(dtype), the shifted weight in float32
        shifted = tape.new(size, 4)
        weighted = _times_weight(tape, recipe, normed, size, 4, [shifted])
        tape.drop(shifted)
        return recast(tape, weighted, x.item)
    return _times_weight(tape, recipe, recast(tape, normed, x.item), size, recipe.norm_item, [])


def _times_weight(
    tape: Tape, recipe: Recipe, x: Tensor, size: int, weight_item: int, kept: list[Tensor]
) -> Tensor:
    out = tape.new(x.elements, max(x.item, weight_item))
    trains = recipe.trains_base
    # backward: the weight's gradient before its sum over the tokens, the input's before its cast
    passing = int(trains) + int(out.item != x.item)
    tape.record(
        out,
        [x],
        saved=[*kept, x] if trains else kept,
        weight_gradients=size * recipe.norm_item * trains,
        temporary=[(x.elements * out.item, Tag.ACTIVATION)] * passing,
    )
    tape.drop(x)
    return out


def _after(tape: Tape, recipe: Recipe, shape: ModelShape, x: Tensor) -> Tensor:
    out = layer_norm(tape, recipe, x, shape.hidden, shape.norm_style)
    tape.drop(x)
    return out


def _dense(tape: Tape, recipe: Recipe, kind: LayerKind, x: Tensor) -> Tensor:
    """`down(act(gate(x)) * up(x))`."""
    down = kind.linear("down_proj")
    assert down is not None
    fused = kind.linear("gate_up_proj")
    if fused is not None:
        both = linear(tape, recipe, x, fused)
        product = gate_halves(tape, both)
    else:
        gate_proj, up_proj = kind.linear("gate_proj"), kind.linear("up_proj")
        assert gate_proj is not None and up_proj is not None
        gate = linear(tape, recipe, x, gate_proj)
        active = tape.record(tape.new(gate.elements, gate.item), [gate], saved=[gate])
        tape.drop(gate)
        up = linear(tape, recipe, x, up_proj)
        product = tape.new(up.elements, up.item)
        tape.record(product, [active, up], saved=[active, up])
        tape.drop(active, up)
    out = linear(tape, recipe, product, down)
    tape.drop(product)
    return out
