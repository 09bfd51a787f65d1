"""What one linear layer allocates: plain, quantised, with LoRA or DoRA."""

from __future__ import annotations

from engine.memory.model_shape import Linear
from engine.memory.recipe import Recipe
from engine.memory.tape import Tag, Tape, Tensor

_ABSMAX_BLOCK = 64  # bitsandbytes 0.50 functional.quantize_4bit: default blocksize


def cast(tape: Tape, x: Tensor, item: int) -> Tensor:
    """`x.to(dtype)`: the same tensor where nothing changes, else a copy; backward casts back."""
    if x.item == item:
        return tape.same(x)
    return tape.record(tape.new(x.elements, item), [x])


def linear(tape: Tape, recipe: Recipe, x: Tensor, layer: Linear) -> Tensor:
    """The layer's output, owned by the caller, with its adapter if it is a target."""
    base = _base(tape, recipe, x, layer)
    if layer.name not in recipe.targets:
        return base
    result = base
    if recipe.bits == 4:  # peft/tuners/lora/bnb.py: `result = result.clone()`
        result = tape.record(tape.new(base.elements, base.item), [base], aliases=[True])
        tape.drop(base)
    if recipe.dora:
        return _dora(tape, recipe, x, result, layer)
    return _lora(tape, recipe, x, result, layer)


def _base(tape: Tape, recipe: Recipe, x: Tensor, layer: Linear) -> Tensor:
    out_elements = x.elements // layer.d_in * layer.d_out
    if recipe.bits == 4:
        return _base_4bit(tape, recipe, x, layer, out_elements)
    if recipe.bits == 8:
        return _base_8bit(tape, recipe, x, layer, out_elements)
    inner = cast(tape, x, recipe.product_item)
    saved = [inner] if recipe.trains_base else []
    weight = _cast_weight(tape, layer.weight_params, recipe.base_item, recipe)
    if weight is not None:
        saved.append(weight)
    gradient = layer.params * recipe.base_item if recipe.trains_base else 0
    out = tape.new(out_elements, recipe.product_item)
    tape.record(out, [inner], saved=saved, weight_gradients=gradient)
    tape.drop(inner)
    if weight is not None:
        tape.drop(weight)
    return out


def _base_4bit(tape: Tape, recipe: Recipe, x: Tensor, layer: Linear, out_elements: int) -> Tensor:
    # bitsandbytes 0.50 nn/modules.py Linear4bit.forward and autograd MatMul4Bit: the input is not
    # saved; the whole weight is dequantised forward (above a few hundred rows) and backward.
    inner = cast(tape, x, recipe.compute_item)
    dequantised = layer.weight_params * recipe.compute_item
    absmax = layer.weight_params // _ABSMAX_BLOCK * 4 if recipe.double_quant else 0
    out = tape.new(out_elements, recipe.compute_item)
    tape.pulse(dequantised + absmax)
    tape.record(out, [inner], temporary=[(dequantised, Tag.WORKSPACE), (absmax, Tag.WORKSPACE)])
    tape.drop(inner)
    returned = cast(tape, out, x.item)
    tape.drop(out)
    return returned


def _base_8bit(tape: Tape, recipe: Recipe, x: Tensor, layer: Linear, out_elements: int) -> Tensor:
    # bitsandbytes 0.50 autograd MatMul8bitLt: a float16 copy of the input, its int8 form, an int32
    # product and its float16 form pass by; backward rebuilds the weight. The input is kept in
    # `ctx.tensors`, where recomputation does not free it.
    half = tape.new(x.elements, 2) if recipe.on_gpu else tape.new(0, 2)
    rounded = tape.new(x.elements, 1) if recipe.on_gpu else tape.new(0, 1)
    tape.drop(half)
    product = tape.new(out_elements, 4) if recipe.on_gpu else tape.new(0, 4)
    out = tape.new(out_elements, x.item)
    rebuilt = layer.weight_params * x.item
    if not recipe.on_gpu:  # MatMul8bitFp: the weight is rebuilt forward as well
        tape.pulse(rebuilt)
    tape.drop(product, rounded)
    return tape.record(out, [x], attached=[x], temporary=[(rebuilt, Tag.WORKSPACE)])


def _lora(tape: Tape, recipe: Recipe, x: Tensor, result: Tensor, layer: Linear) -> Tensor:
    # peft/tuners/lora/layer.py Linear.forward; bnb.py casts only without autocast, and back
    held = _adapter_input(tape, recipe, x)  # rebinds the frame's `x`, so it lives to the end
    inner = _drop_out(tape, recipe, held)
    low = _project(tape, recipe, inner, layer.d_in, recipe.rank)
    tape.drop(inner)
    high = _project(tape, recipe, low, recipe.rank, layer.d_out)
    tape.drop(low)
    scaled = tape.record(tape.new(high.elements, high.item), [high])
    tape.drop(high)
    if recipe.bits and not recipe.keeps_adapter_format:
        scaled = recast(tape, scaled, x.item)
    total = add(tape, result, scaled)
    item = result.item
    tape.drop(result, scaled)
    out = total if recipe.bits else recast(tape, total, item)
    tape.drop(held)
    return out


def _dora(tape: Tape, recipe: Recipe, x: Tensor, result: Tensor, layer: Linear) -> Tensor:
    # peft/tuners/lora/dora.py DoraLinearLayer.forward: the update A x B is rebuilt from an identity
    # matrix for its norm, beside a copy of the base weight; their names live to the end
    held = _adapter_input(tape, recipe, x)
    inner = _drop_out(tape, recipe, held)
    frame = _dora_frame(tape, recipe, layer, inner.item)
    low = _project(tape, recipe, inner, layer.d_in, recipe.rank)
    update = _project(tape, recipe, low, recipe.rank, layer.d_out)
    tape.drop(low)
    if recipe.dropout and not recipe.evaluating:
        base = _rebuilt_product(tape, recipe, inner, frame[0], result.elements)
    else:
        base = tape.same(result)
    left = _scale(tape, base)
    right = _scale(tape, update)
    scaled = tape.record(tape.new(right.elements, right.item), [right])
    tape.drop(right)
    extra = add(tape, left, scaled)
    tape.drop(left, scaled, update, base, inner, held, *frame)
    total = add(tape, result, extra)
    original = result.item
    tape.drop(result, extra)
    if recipe.keeps_adapter_format:  # bnb.py casts back only without autocast
        return total
    return recast(tape, total, original)


def _dora_frame(tape: Tape, recipe: Recipe, layer: Linear, item: int) -> list[Tensor]:
    """The base weight and the update in the adapter's format, and what the update's graph holds."""
    size = layer.weight_params
    product_item = recipe.compute_item if recipe.autocast else recipe.lora_item
    eye = tape.new(layer.d_in * layer.d_in, recipe.lora_item, Tag.WORKSPACE)
    kept = tape.same(eye)
    if product_item != eye.item:
        tape.drop(kept)
        kept = tape.new(eye.elements, product_item, Tag.WORKSPACE)
    low = tape.new(layer.d_in * recipe.rank, product_item, Tag.WORKSPACE)
    product = tape.new(size, product_item, Tag.WORKSPACE)
    tape.drop(eye)
    update = tape.same(product)
    if product_item != item:
        tape.drop(update)
        update = tape.new(size, item, Tag.WORKSPACE)
    tape.drop(product)
    weight = _rebuilt_weight(tape, recipe, size, item)
    tape.pulse(2 * size * item)  # the scaled update and its sum with the weight, for the norm
    return [weight, update, kept, low]


def _rebuilt_weight(tape: Tape, recipe: Recipe, size: int, item: int) -> Tensor:
    if not recipe.bits:  # the weight itself, or a copy in the adapter's format
        return tape.new(0 if recipe.base_item == item else size, item, Tag.WORKSPACE)
    dequantised = tape.new(size, recipe.compute_item, Tag.WORKSPACE)
    if recipe.compute_item == item:
        return dequantised
    weight = tape.new(size, item, Tag.WORKSPACE)
    tape.drop(dequantised)
    return weight


def _rebuilt_product(
    tape: Tape, recipe: Recipe, x: Tensor, weight: Tensor, elements: int
) -> Tensor:
    """`F.linear` with the rebuilt weight, which is kept for backward in the product's format."""
    item = recipe.compute_item if recipe.autocast else x.item
    narrow = cast(tape, x, item)
    kept = tape.same(weight) if weight.item == item else tape.new(weight.elements, item)
    out = tape.record(tape.new(elements, item), [narrow], saved=[kept])
    tape.drop(narrow, kept)
    return out


def _scale(tape: Tape, x: Tensor) -> Tensor:
    """`magnitude * x` with the magnitude vector in float32, as PEFT makes it and TRL leaves it."""
    out = tape.new(x.elements, 4)
    # backward: the magnitude's gradient before its sum beside the input's before its cast
    temporary = [(x.elements * (4 + 4 - x.item), Tag.ACTIVATION)]
    return tape.record(out, [x], saved=[x], temporary=temporary, trains=True)


def _adapter_input(tape: Tape, recipe: Recipe, x: Tensor) -> Tensor:
    """The input in the adapter's number format."""
    if recipe.keeps_adapter_format:
        return tape.same(x)
    return cast(tape, x, recipe.lora_item)


def _drop_out(tape: Tape, recipe: Recipe, x: Tensor) -> Tensor:
    if not recipe.dropout or recipe.evaluating:
        return tape.same(x)
    # CUDA's fused kernel keeps a byte per element, the CPU one the noise in the input's format
    mask = tape.new(x.elements, 1 if recipe.on_gpu else x.item)
    dropped = tape.new(x.elements, x.item)
    tape.record(dropped, [x], saved=[mask])
    tape.drop(mask)
    return dropped


def _project(tape: Tape, recipe: Recipe, x: Tensor, d_in: int, d_out: int) -> Tensor:
    """One of the two small adapter matrices, which are trained."""
    inner = cast(tape, x, recipe.compute_item if recipe.autocast else recipe.lora_item)
    own = 0 if recipe.casts_adapter else recipe.lora_item
    weight = _cast_weight(tape, d_in * d_out, own, recipe)
    saved = [inner] if weight is None else [inner, weight]
    out = tape.new(inner.elements // d_in * d_out, inner.item)
    tape.record(out, [inner], saved=saved, weight_gradients=d_in * d_out * recipe.lora_item)
    tape.drop(inner)
    if weight is not None:
        tape.drop(weight)
    return out


def _cast_weight(tape: Tape, elements: int, item: int, recipe: Recipe) -> Tensor | None:
    """Autocast's copy of a weight in another format, which the product keeps for backward."""
    if not recipe.autocast or item == recipe.compute_item:
        return None
    return tape.new(elements, recipe.compute_item)


def add(tape: Tape, a: Tensor, b: Tensor) -> Tensor:
    """`a + b`; the wider number format wins, and backward casts for the narrower one only."""
    out = tape.new(a.elements, max(a.item, b.item))
    return tape.record(out, [a, b], aliases=[a.item == out.item, b.item == out.item])


def recast(tape: Tape, x: Tensor, item: int) -> Tensor:
    """`x = x.to(dtype)`: the old name goes away."""
    out = cast(tape, x, item)
    tape.drop(x)
    return out
