"""Bytes of the base weights, the trained tensors and their gradients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.memory.experts import expert_lora_dims
from engine.memory.model_shape import LayerKind, Linear, ModelShape
from engine.memory.recipe import Recipe

# bitsandbytes 0.50 functional.quantize_4bit: blocks of 64 weights, their scales in blocks of 256
_BLOCK = 64
_SCALE_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Trained:
    """`count` trained tensors of the same dimensions, `item` bytes per element."""

    dims: tuple[int, ...]
    item: int
    count: int
    is_embedding: bool = False

    @property
    def elements(self) -> int:
        total = 1
        for size in self.dims:
            total *= size
        return total


@dataclass(frozen=True, slots=True)
class BaseWeights:
    """Bytes of the base: packed low-bit weights, their scales, and what stays in full format."""

    quantised: int
    scales: int
    plain: int

    @property
    def total(self) -> int:
        return self.quantised + self.scales + self.plain


def base_weights(shape: ModelShape, recipe: Recipe) -> BaseWeights:
    """Bytes of the loaded base model; adapters not included."""
    # transformers quantizers/base.py get_keys_to_not_convert: embedding and head stay as they are,
    # and experts are no nn.Linear
    quantised = scales = 0
    plain = _rounded(shape.embedding_params * recipe.embedding_item, recipe)
    if shape.head_params:
        plain += _rounded(shape.head_params * recipe.head_item, recipe)
    plain += _rounded(shape.hidden * recipe.norm_item, recipe)
    for kind, count in _counted(shape):
        for linear in kind.linears:
            packed, scale = _quantised_bytes(linear, recipe)
            quantised += count * packed
            scales += count * scale
            if not recipe.bits:
                plain += count * _rounded(linear.weight_params * recipe.base_item, recipe)
            if linear.bias:
                plain += count * _rounded(linear.d_out * recipe.base_item, recipe)
        plain += count * sum(_rounded(size * recipe.norm_item, recipe) for size in kind.norms)
        if kind.experts is not None:
            tensors = kind.experts.tensors
            plain += count * sum(_rounded(size * recipe.base_item, recipe) for size in tensors)
    return BaseWeights(quantised, scales, plain)


def largest_tensor_bytes(shape: ModelShape, recipe: Recipe) -> int:
    """The largest weight as it comes from the file, before it is quantised."""
    sizes = [shape.embedding_params]
    for kind in shape.kinds:
        sizes += [linear.weight_params for linear in kind.linears]
        sizes += list(kind.experts.tensors) if kind.experts else []
    return max(sizes) * recipe.base_item


def trained_tensors(shape: ModelShape, recipe: Recipe, num_trained_layers: int) -> list[Trained]:
    """Everything the optimizer moves, layer tensors of equal size counted together."""
    if not recipe.trains_base:
        return [
            tensor
            for kind, count in _counted(shape)
            for tensor in adapter_tensors(kind, recipe, count)
        ]
    item = recipe.base_item
    last = shape.layers[len(shape.layers) - num_trained_layers :]
    tensors = [
        tensor
        for index in sorted(set(last))
        for tensor in _layer_tensors(shape.kinds[index], item, last.count(index))
    ]
    if recipe.trains_head:
        tensors.append(Trained((shape.vocab, shape.hidden), item, 1, is_embedding=True))
        if shape.head_params:
            tensors.append(Trained((shape.vocab, shape.hidden), item, 1))
        tensors.append(Trained((shape.hidden,), item, 1))
    return tensors


def layer_gradient_bytes(kind: LayerKind, recipe: Recipe) -> int:
    """Gradients of one layer's trained tensors."""
    tensors = (
        _layer_tensors(kind, recipe.base_item, 1)
        if recipe.trains_base
        else adapter_tensors(kind, recipe, 1)
    )
    return bytes_of(tensors, recipe)


def adapter_tensors(kind: LayerKind, recipe: Recipe, count: int) -> list[Trained]:
    """The adapter's tensors in `count` layers of this kind."""
    tensors = []
    for linear in kind.linears:
        if linear.name in recipe.targets:
            tensors.append(Trained((recipe.rank, linear.d_in), recipe.lora_item, count))
            tensors.append(Trained((linear.d_out, recipe.rank), recipe.lora_item, count))
            if recipe.dora:  # the magnitude stays in float32
                tensors.append(Trained((linear.d_out,), 4, count))
    if kind.experts is not None:
        matrices = expert_lora_dims(kind.experts, recipe.rank, recipe.expert_targets)
        tensors += [Trained(dims, recipe.lora_item, count) for dims in matrices]
    return tensors


def bytes_of(tensors: Iterable[Trained], recipe: Recipe) -> int:
    """Bytes of the tensors themselves, which is also the size of their gradients."""
    return sum(t.count * _rounded(t.elements * t.item, recipe) for t in tensors)


def parameters_of(tensors: Iterable[Trained]) -> int:
    return sum(tensor.count * tensor.elements for tensor in tensors)


def _layer_tensors(kind: LayerKind, item: int, count: int) -> list[Trained]:
    tensors = []
    for linear in kind.linears:
        tensors.append(Trained((linear.d_out, linear.d_in), item, count))
        if linear.bias:
            tensors.append(Trained((linear.d_out,), item, count))
    tensors += [Trained((size,), item, count) for size in kind.norms]
    if kind.experts is not None:
        e = kind.experts
        for dims in (
            (e.count, e.hidden),
            (e.count, 2 * e.d_ff, e.hidden),
            (e.count, e.hidden, e.d_ff),
        ):
            tensors.append(Trained(dims, item, count))
    return tensors


def _quantised_bytes(linear: Linear, recipe: Recipe) -> tuple[int, int]:
    """Packed weight and its scales, per module."""
    size = linear.weight_params
    if recipe.bits == 8:  # nn/modules.py Int8Params: one byte each and a float32 per output row
        return _rounded(size, recipe), _rounded(4 * linear.d_out, recipe)
    if recipe.bits == 0:
        return 0, 0
    packed = _rounded(-(-size // 2), recipe)
    blocks = -(-size // _BLOCK)
    code = _rounded(16 * 4, recipe)
    if not recipe.double_quant:
        return packed, _rounded(4 * blocks, recipe) + code
    # the scales' own scales, their code table and the offset
    nested = sum(_rounded(4 * n, recipe) for n in (-(-blocks // _SCALE_BLOCK), 256, 1))
    return packed, _rounded(blocks, recipe) + nested + code


def _counted(shape: ModelShape) -> list[tuple[LayerKind, int]]:
    return [(kind, shape.layers.count(index)) for index, kind in enumerate(shape.kinds)]


def _rounded(size: int, recipe: Recipe) -> int:
    return -(-size // recipe.granule) * recipe.granule
