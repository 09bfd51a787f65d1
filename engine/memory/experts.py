"""What a mixture of experts allocates in place of the dense block."""

from __future__ import annotations

from engine.memory.linear import recast
from engine.memory.model_shape import Experts
from engine.memory.recipe import Recipe
from engine.memory.tape import Tag, Tape, Tensor


def sparse(tape: Tape, recipe: Recipe, experts: Experts, x: Tensor) -> Tensor:
    """Router and experts as `grouped_mm_experts_forward` of transformers: no token is dropped."""
    # transformers/integrations/moe.py; every token goes to top_k experts, however uneven
    tokens = x.elements // experts.hidden
    picks = tokens * experts.top_k
    router, gate_up, down = experts.tensors
    logits = _product(tape, recipe, experts, "router", x, tokens * experts.count, router)
    chances = tape.new(logits.elements, 4)
    tape.record(chances, [logits], saved=[chances])
    best = tape.record(tape.new(picks, 4), [chances])
    tape.drop(chances, logits)
    order = tape.new(3 * picks, 8)  # sorted expert ids, permutation and its inverse, int64
    chosen = tape.record(tape.new(picks * experts.hidden, x.item), [x])
    both = _product(tape, recipe, experts, "gate_up", chosen, picks * 2 * experts.d_ff, gate_up)
    product = gate_halves(tape, both)
    returned = _product(tape, recipe, experts, "down", product, picks * experts.hidden, down)
    tape.drop(product)
    weighted = tape.new(returned.elements, 4 if experts.wide_weights else returned.item)
    # backward: the routing weights' gradient before its sum, the output's before its cast
    passing = 1 + int(weighted.item != returned.item)
    tape.record(
        weighted,
        [returned, best],
        saved=[returned, best, order],
        temporary=[(weighted.elements * weighted.item, Tag.ACTIVATION)] * passing,
    )
    tape.drop(returned)
    sorted_back = tape.record(tape.new(weighted.elements, weighted.item), [weighted], saved=[order])
    tape.drop(weighted)
    out = tape.record(tape.new(x.elements, sorted_back.item), [sorted_back])
    tape.drop(sorted_back, chosen, best, order)
    return recast(tape, out, x.item)


def gate_halves(tape: Tape, both: Tensor) -> Tensor:
    """`act(gate) * up` where gate and up are halves of one tensor, which is given up."""
    half = both.elements // 2
    gate = tape.same(Tensor(half, both.item, both.storage))
    up = tape.same(Tensor(half, both.item, both.storage))
    # chunk: backward concatenates both gradients into one tensor of the whole size
    tape.record(gate, [both])
    tape.record(up, [both])
    tape.drop(both)
    active = tape.record(tape.new(half, gate.item), [gate], saved=[gate])
    product = tape.record(tape.new(half, up.item), [up, active], saved=[up, active])
    tape.drop(gate, up, active)
    return product


def expert_lora_dims(
    experts: Experts, rank: int, targets: frozenset[str]
) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each adapter matrix on expert tensors.

    peft/utils/transformers_weight_conversion.py: gate and up are one tensor, so its rank doubles.
    """
    matrices: list[tuple[int, int]] = []
    for name, d_in, d_out, inner in (
        ("router", experts.hidden, experts.count, rank),
        ("gate_up", experts.hidden, 2 * experts.d_ff, 2 * rank * experts.count),
        ("down", experts.d_ff, experts.hidden, rank * experts.count),
    ):
        if name in targets:
            matrices += [(inner, d_in), (d_out, inner)]
    return tuple(matrices)


def _product(
    tape: Tape,
    recipe: Recipe,
    experts: Experts,
    name: str,
    x: Tensor,
    elements: int,
    weight_elements: int,
) -> Tensor:
    """One matrix product with an expert tensor; the tensor's size is `weight_elements`."""
    out = tape.new(elements, recipe.base_item)
    if name in recipe.expert_targets:
        # peft/tuners/lora/layer.py ParamWrapper: W + scaling * B A is a new tensor as large as W,
        # made once more to check its shape when it is registered; product and graph keep it
        matrices = expert_lora_dims(experts, recipe.rank, frozenset({name}))
        size = sum(rows * columns for rows, columns in matrices)
        tape.pulse(weight_elements * recipe.base_item)
        factors = tape.new(size, recipe.base_item)
        tape.record(factors, [], weight_gradients=size * recipe.lora_item)
        folded = tape.new(weight_elements, recipe.base_item, Tag.WORKSPACE)
        tape.record(folded, [factors], saved=[factors])
        tape.record(out, [x, folded], saved=[x, folded])
        tape.drop(factors, folded)
        return out
    trained = recipe.trains_base
    gradient = weight_elements * recipe.base_item if trained else 0
    return tape.record(out, [x], saved=[x] if trained else [], weight_gradients=gradient)
