"""What the final norm, the output head and the loss allocate."""

from __future__ import annotations

from dataclasses import replace

from engine.memory.layer import layer_norm
from engine.memory.linear import cast
from engine.memory.model_shape import ModelShape
from engine.memory.recipe import Recipe
from engine.memory.tape import Tag, Tape, Tensor

# trl/kernels/chunked_logprob.py TOKEN_CHUNK_SIZE, trl/trainer/utils.py _CHUNKED_LOGPROB_CHUNK_SIZE
_TILE_TOKENS = 4096
_TILE_VOCAB = 32768
# Bytes per tile entry that the torch fallback of the two Triton kernels needs beside the tile, on a
# CPU (_forward_tile, _backward_tile: float32 copies and masks that live at once)
_CPU_FORWARD = 13
_CPU_BACKWARD = 29
# running_max, sum_exp, x_sum_exp, sq_sum_exp, z_sum, max_before_target, target_logit
_TOKEN_SUMS = 7


def head_and_loss(tape: Tape, recipe: Recipe, shape: ModelShape, x: Tensor) -> Tensor:
    """Per-token losses from the last layer's output; `x` is given up."""
    recipe = replace(recipe, trains_base=recipe.trains_head)
    hidden = layer_norm(tape, recipe, x, shape.hidden, shape.norm_style)
    tape.drop(x)
    if recipe.fused_head:
        return _fused(tape, recipe, shape, hidden)
    return _full_logits(tape, recipe, shape, hidden)


def _fused(tape: Tape, recipe: Recipe, shape: ModelShape, hidden: Tensor) -> Tensor:
    counted = recipe.counted_labels or recipe.tokens
    item = recipe.compute_item if recipe.autocast else hidden.item
    shifted = tape.record(Tensor(hidden.elements, hidden.item, hidden.storage), [hidden])
    picked = tape.new(counted * shape.hidden, hidden.item)
    positions = tape.new(counted, 16)  # row and column of each label, int64
    tape.record(picked, [shifted], saved=[positions])
    sums = tape.new(counted, 4 * _TOKEN_SUMS, Tag.LOSS)
    tile = min(counted, _TILE_TOKENS) * _TILE_VOCAB * item
    cast_rows = min(counted, _TILE_TOKENS) * shape.hidden * item if item != hidden.item else 0
    # a cast tile of the head passes by; backward binds a name, so the next is made beside it
    cast_row = shape.hidden * item if recipe.head_item != item else 0
    cast_head = min(shape.vocab, _TILE_VOCAB) * cast_row
    two_heads = min(shape.vocab, 2 * _TILE_VOCAB) * cast_row
    entries = 0 if recipe.on_gpu else min(counted, _TILE_TOKENS) * min(shape.vocab, _TILE_VOCAB)
    tape.pulse(tile + cast_rows + cast_head + entries * _CPU_FORWARD, Tag.LOSS)
    out = tape.new(counted, 3 * 4, Tag.LOSS)  # log-probability, entropy, hit
    gradient = shape.vocab * shape.hidden if recipe.trains_head else 0
    scratch = tile + cast_rows + two_heads + entries * _CPU_BACKWARD
    # gradients are summed in float32 and cast at the end, which is a second tensor for others
    scratch += counted * shape.hidden * 4 if hidden.item != 4 else 0
    scratch += gradient * 4 if recipe.head_item != 4 else 0
    targets = tape.new(counted, 8, Tag.LOSS)
    tape.record(
        out,
        [picked],
        saved=[picked, targets, out],
        temporary=[(scratch, Tag.LOSS)],
        weight_gradients=gradient * recipe.head_item,
    )
    tape.drop(sums, targets, picked, positions, hidden)
    return out


def _full_logits(tape: Tape, recipe: Recipe, shape: ModelShape, hidden: Tensor) -> Tensor:
    # transformers loss/loss_utils.py ForCausalLMLoss: logits.float(), then cross entropy
    inner = cast(tape, hidden, recipe.compute_item if recipe.autocast else recipe.head_item)
    logits = tape.new(recipe.tokens * shape.vocab, inner.item, Tag.LOSS)
    gradient = shape.vocab * shape.hidden * recipe.head_item if recipe.trains_head else 0
    saved = [inner] if recipe.trains_head else []
    tape.record(logits, [inner], saved=saved, weight_gradients=gradient)
    tape.drop(inner)
    wide = cast(tape, logits, 4)
    entered = tape.same(wide)
    if recipe.copies_shifted_logits:  # a second name, so the copy lives beside the first
        tape.drop(entered)
        entered = tape.record(tape.new(wide.elements, 4, Tag.LOSS), [wide])
    chances = tape.new(wide.elements, 4, Tag.LOSS)
    # backward of nll_loss writes a gradient of this size, which log_softmax turns into the next
    tape.record(chances, [entered], saved=[chances])
    tape.drop(entered)
    out = tape.record(tape.new(recipe.tokens, 4, Tag.LOSS), [chances])
    tape.drop(wide, chances, hidden)  # the model's frame holds the hidden states to the end
    if not recipe.keeps_logits:
        tape.drop(logits)
    return out
