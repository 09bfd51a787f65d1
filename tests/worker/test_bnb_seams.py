"""4-bit weights on a CPU: an evaluation must not cost the training its gradients."""

from __future__ import annotations

import pytest
import torch
from bitsandbytes.functional import has_avx512bf16
from bitsandbytes.nn import Linear4bit

from engine.worker.bnb_seams import keep_trainable


def _two_layers() -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers = [
        Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4")
        for _ in range(2)
    ]
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), *layers)
    return model.to("cpu")


def _gradient_after_evaluation(model: torch.nn.Sequential) -> torch.Tensor | None:
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(1))
    model.eval()
    with torch.no_grad():
        model(x)
    model.train()
    out = model(x).sum()
    if out.requires_grad:
        out.backward()
    first = model[0]
    assert isinstance(first, torch.nn.Linear)
    return first.weight.grad


def test_the_layer_below_gets_its_gradient_after_an_evaluation() -> None:
    model = _two_layers()
    assert keep_trainable(model) == 2
    gradient = _gradient_after_evaluation(model)
    assert gradient is not None and float(gradient.abs().sum()) > 0


@pytest.mark.skipif(not has_avx512bf16(), reason="this CPU never repacks 4-bit weights")
def test_the_seam_is_still_needed() -> None:
    """Fails when bitsandbytes mends it: then keep_trainable can go."""
    assert _gradient_after_evaluation(_two_layers()) is None
