"""What a simulation leaves out for a model, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.spec import Spec

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")


def not_modelled(config: Mapping[str, Any], spec: Spec) -> Iterator[str]:
    """Parts of this model that the figures do not cover."""
    text = config.get("text_config") or config
    if any(name in config for name in ("vision_config", "audio_config")):
        yield "Images and sound: their towers' weights are counted, nothing passes through them."
    if any((text.get(name) or 0) > 1 for name in _EXPERTS):
        yield "How unevenly a mixture routes its tokens: every expert is taken to get its share."
    if config.get("auto_map"):
        code = "is asked for" if spec.model.trust_remote_code else "is not asked for"
        yield f"The model's own code, which {code}: transformers' class of this type is simulated."
    held = config.get("quantization_config")
    if held:
        kind = str(held.get("quant_method", "another way"))
        if kind != "bitsandbytes":
            yield f"Weights stored quantised ({kind}): they are taken as plain ones."
