"""What attention allocates, from its input to the output projection."""

from __future__ import annotations

from collections.abc import Callable

from engine.memory.linear import cast, linear, recast
from engine.memory.model_shape import LayerKind, Linear, ModelShape
from engine.memory.recipe import Recipe
from engine.memory.tape import Tag, Tape, Tensor

Norm = Callable[[Tape, Recipe, Tensor, int], Tensor]


def attention(
    tape: Tape, recipe: Recipe, shape: ModelShape, kind: LayerKind, x: Tensor, norm: Norm
) -> tuple[Tensor, Tensor | None]:
    """Output of the block and, under eager attention, the weights that the layer's frame holds."""
    query, key, value = _project(tape, recipe, shape, kind, x)
    if len(kind.norms) > 2 and kind.norms[-1] == shape.head_dim:
        query = _renew(tape, query, norm(tape, recipe, query, shape.head_dim))
        key = _renew(tape, key, norm(tape, recipe, key, shape.head_dim))
    rotary_item = recipe.embedding_item
    turned_query = _rotate(tape, query, rotary_item)
    turned_key = _rotate(tape, key, rotary_item)
    tape.drop(query, key)
    weights = None
    if recipe.kernel in ("eager", "math"):
        mixed, weights = _scores(tape, recipe, shape, turned_query, turned_key, value)
    else:
        mixed = _fused_kernel(tape, recipe, shape, turned_query, turned_key, value)
    out = linear(tape, recipe, mixed, _named(kind, "o_proj"))
    tape.drop(mixed, turned_query, turned_key, value)
    return out, weights


def _project(
    tape: Tape, recipe: Recipe, shape: ModelShape, kind: LayerKind, x: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    fused = kind.linear("qkv_proj")
    if fused is None:
        query, key, value = (
            linear(tape, recipe, x, _named(kind, name)) for name in ("q_proj", "k_proj", "v_proj")
        )
        return query, key, value
    whole = linear(tape, recipe, x, fused)
    per_token = whole.elements // fused.d_out * shape.head_dim
    sizes = [heads * per_token for heads in (shape.heads, shape.kv_heads, shape.kv_heads)]
    # slices share the storage; the backward of each fills a tensor of the whole size with zeros
    parts = [tape.same(Tensor(size, whole.item, whole.storage)) for size in sizes]
    for part in parts:
        tape.record(part, [whole])
    tape.drop(whole)
    return parts[0], parts[1], parts[2]


def _rotate(tape: Tape, x: Tensor, rotary_item: int) -> Tensor:
    """`(x * cos) + (rotate_half(x) * sin)`; cosine and sine are in the hidden states' format."""
    item = max(x.item, rotary_item)
    # a product with a wider factor: its gradient is cast after it was made
    uncast = [(x.elements * item, Tag.ACTIVATION)] if item != x.item else []
    straight = tape.record(tape.new(x.elements, item), [x], temporary=uncast)
    half = tape.record(tape.new(x.elements // 2, x.item), [x])
    turned = tape.new(x.elements, x.item)
    # backward of the concatenation: each half is padded with zeros to the whole
    tape.record(turned, [half, x], temporary=[(x.elements * x.item, Tag.ACTIVATION)])
    tape.drop(half)
    crossed = tape.record(tape.new(x.elements, item), [turned], temporary=uncast)
    tape.drop(turned)
    out = tape.record(tape.new(x.elements, item), [straight, crossed], aliases=[True, True])
    tape.drop(straight, crossed)
    return out


def _fused_kernel(
    tape: Tape, recipe: Recipe, shape: ModelShape, query: Tensor, key: Tensor, value: Tensor
) -> Tensor:
    """Flash or memory-efficient attention: no score matrix, output and log-sum-exp are kept."""
    item = recipe.compute_item if recipe.autocast else query.item
    q, k, v = (cast(tape, x, item) for x in (query, key, value))
    if not recipe.grouped and shape.heads != shape.kv_heads:
        k, v = _repeat(tape, shape, k), _repeat(tape, shape, v)
    held: list[Tensor] = []
    if recipe.unpads:
        q, k, v = (_renew(tape, x, _copy(tape, x)) for x in (q, k, v))
    if recipe.mask_item and recipe.kernel == "efficient":
        # convert_boolean_attn_mask (aten/native/transformers/attention.cpp): an additive mask in
        # the query's format per call, kept for backward
        held.append(tape.new(recipe.scores, item))
    per_head = q.elements // shape.head_dim
    log_sum_exp = tape.new(per_head, 4)
    out = tape.new(q.elements, item)
    temporary = [(per_head * 4, Tag.ACTIVATION)]
    if recipe.on_gpu and item == 2:
        # float32 accumulator of the query gradient (dq_accum in flash_attn/flash_api.cpp mha_bwd,
        # gQ workspace in mem_eff_attention/kernel_backward.h)
        temporary.append((q.elements * 4, Tag.ACTIVATION))
        if k.elements != q.elements:  # dk_expanded, dv_expanded of grouped heads
            temporary.append((2 * q.elements * item, Tag.ACTIVATION))
    tape.record(out, [q, k, v], saved=[q, k, v, out, log_sum_exp, *held], temporary=temporary)
    tape.drop(q, k, v, log_sum_exp, *held)
    if recipe.unpads:
        out = _renew(tape, out, _copy(tape, out))
    return out


def _scores(
    tape: Tape, recipe: Recipe, shape: ModelShape, query: Tensor, key: Tensor, value: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Attention that writes the score matrix: eager, or the math fallback of SDPA."""
    if recipe.kernel == "math":
        return _math(tape, recipe, shape, query, key, value), None
    k, v = tape.same(key), tape.same(value)
    if shape.heads != shape.kv_heads:
        k, v = _repeat(tape, shape, k), _repeat(tape, shape, v)
    count = recipe.scores * shape.heads
    scores = _matmul(tape, recipe, query, k, count)
    scores = _renew(tape, scores, tape.record(tape.new(count, scores.item), [scores]))  # scaled
    if shape.scores_capped:
        scores = _renew(tape, scores, tape.record(tape.new(count, scores.item), [scores]))
        capped = tape.new(count, scores.item)
        tape.record(capped, [scores], saved=[capped])
        scores = _renew(tape, scores, capped)
        scores = _renew(tape, scores, tape.record(tape.new(count, scores.item), [scores]))
    masked = tape.new(count, max(scores.item, recipe.mask_item))
    tape.record(masked, [scores], aliases=[masked.item == scores.item])
    scores = _renew(tape, scores, masked)
    named = tape.same(scores)  # the name is bound anew only when the softmax has its last format
    weights = recast(tape, _softmax(tape, recipe, scores), query.item)
    tape.drop(named, k)
    out = _matmul(tape, recipe, weights, v, query.elements)
    tape.drop(v)
    # [batch, heads, tokens, dim] to token order is a copy
    return _renew(tape, out, _copy(tape, out)), weights


def _math(
    tape: Tape, recipe: Recipe, shape: ModelShape, query: Tensor, key: Tensor, value: Tensor
) -> Tensor:
    # _scaled_dot_product_attention_math, aten/native/transformers/attention.cpp (torch 2.13):
    # half inputs go to float32, query and key are scaled, the mask is added in place, safe softmax
    half = recipe.compute_item if recipe.autocast else query.item
    q, k, v = (recast(tape, cast(tape, x, half), 4) for x in (query, key, value))
    if shape.heads != shape.kv_heads:
        k, v = _repeat(tape, shape, k), _repeat(tape, shape, v)
    q = _renew(tape, q, _copy(tape, q))
    k = _renew(tape, k, _copy(tape, k))
    count = recipe.scores * shape.heads
    scores = _matmul(tape, recipe, q, k, count)
    tape.drop(q, k)
    mask = tape.new(recipe.scores if recipe.mask_item else recipe.length * recipe.length, 4)
    named = tape.same(scores)
    weights = _softmax(tape, recipe, scores)
    tape.pulse(count, Tag.ACTIVATION)  # _safe_softmax: where a row is all minus infinity
    tape.drop(mask, named)
    out = _matmul(tape, recipe, weights, v, query.elements)
    tape.drop(weights, v)
    out = recast(tape, out, half)
    return _renew(tape, out, _copy(tape, out))


def _softmax(tape: Tape, recipe: Recipe, scores: Tensor) -> Tensor:
    """Softmax in float32; the old scores go away."""
    if recipe.casts_scores:
        scores = recast(tape, scores, 4)
    out = tape.new(scores.elements, 4)
    # host_softmax_backward (aten/native/cuda/SoftMax.cu) multiplies gradient and output first
    temporary = [(scores.elements * 4, Tag.ACTIVATION)] if recipe.on_gpu else []
    tape.record(out, [scores], saved=[out], temporary=temporary)
    tape.drop(scores)
    return out


def _matmul(tape: Tape, recipe: Recipe, a: Tensor, b: Tensor, elements: int) -> Tensor:
    item = recipe.compute_item if recipe.autocast and recipe.kernel == "eager" else a.item
    left, right = cast(tape, a, item), cast(tape, b, item)
    out = tape.new(elements, item)
    tape.record(out, [left, right], saved=[left, right])
    tape.drop(left, right)
    return out


def _repeat(tape: Tape, shape: ModelShape, x: Tensor) -> Tensor:
    """`repeat_kv`: as many key or value heads as query heads, by a copy; the old name goes away."""
    out = tape.new(x.elements * (shape.heads // shape.kv_heads), x.item)
    tape.record(out, [x])
    tape.drop(x)
    return out


def _copy(tape: Tape, x: Tensor) -> Tensor:
    return tape.record(tape.new(x.elements, x.item), [x])


def _renew(tape: Tape, old: Tensor, new: Tensor) -> Tensor:
    """Rebind a name: the new tensor exists before the old one loses its holder."""
    tape.drop(old)
    return new


def _named(kind: LayerKind, name: str) -> Linear:
    found = kind.linear(name)
    assert found is not None, name
    return found
