"""The rows of the GPU grid: real configs, cheapest first, so that nine minutes bring the most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from engine.memory.cards import Card
from engine.spec import DataSpec, EvalSpec, ModelSpec, Spec, TrainSpec


def _qwen2(hidden: int, layers: int, heads: int, kv: int, ff: int, *, tied: bool) -> dict[str, Any]:
    return {
        "model_type": "qwen2", "vocab_size": 151936 if tied else 152064, "hidden_size": hidden,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv,
        "intermediate_size": ff, "tie_word_embeddings": tied, "max_position_embeddings": 32768,
    }  # fmt: skip


# sizes from each model's public config.json
CONFIGS: dict[str, dict[str, Any]] = {
    "tiny": {
        "model_type": "llama", "vocab_size": 512, "hidden_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128,
    },
    "Qwen2.5-0.5B": _qwen2(896, 24, 14, 2, 4864, tied=True),
    "Qwen2.5-1.5B": _qwen2(1536, 28, 12, 2, 8960, tied=True),
    "Qwen2.5-7B": _qwen2(3584, 28, 28, 4, 18944, tied=False),
    "Llama-3.1-8B": {
        "model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "tie_word_embeddings": False, "max_position_embeddings": 131072,
    },
    "Qwen2.5-14B": _qwen2(5120, 48, 40, 8, 13824, tied=False),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GridRow:
    """One measurement. `card_gib` above 0 imitates a card of that size by a limit."""

    model: str
    method: str
    length: int
    micro_batch: int
    checkpointing: bool = True
    attention: str = "sdpa"
    double_quant: bool = True
    card_gib: float = 0.0

    @property
    def key(self) -> str:
        return " ".join(str(value) for value in asdict(self).values())

    @property
    def spec(self) -> Spec:
        return Spec(
            model=ModelSpec(path="random", attention=self.attention),
            data=DataSpec(path="random", max_length=self.length),
            train=TrainSpec(
                method=self.method,
                micro_batch=self.micro_batch,
                accumulation=1,
                gradient_checkpointing=self.checkpointing,
                double_quant=self.double_quant,
                max_steps=2,
            ),
            eval=EvalSpec(at_start=False),
        )

    def card_of(self, whole: Card) -> Card:
        """The card it is judged against: the limit counts what the allocator holds, no context."""
        if not self.card_gib:
            return whole
        room = self.card_gib + whole.context_gib
        return Card(f"{self.card_gib:g} GiB of it", room, whole.capability, whole.context_gib)


def grid() -> Iterator[GridRow]:
    """All rows, small models and short rows first."""
    for length in (512, 2048, 8192):
        yield GridRow("Qwen2.5-0.5B", "lora", length, 2)
    yield GridRow("Qwen2.5-0.5B", "full", 1024, 2)
    yield GridRow("Qwen2.5-1.5B", "lora", 2048, 2, attention="eager")
    yield GridRow("Qwen2.5-1.5B", "lora", 2048, 2, checkpointing=False)
    yield GridRow("Qwen2.5-1.5B", "full", 1024, 2)
    for card in (8.0, 16.0):
        yield GridRow("Qwen2.5-1.5B", "lora", 8192, 4, card_gib=card)
    for model in ("Qwen2.5-7B", "Llama-3.1-8B"):
        yield GridRow(model, "qlora", 2048, 2)
        yield GridRow(model, "lora", 2048, 2)
    yield GridRow("Llama-3.1-8B", "qlora", 2048, 2, double_quant=False)
    yield GridRow("Llama-3.1-8B", "qlora", 2048, 2, checkpointing=False)
    for card in (16.0, 24.0):
        yield GridRow("Llama-3.1-8B", "qlora", 4096, 4, card_gib=card)
    for card in (24.0, 40.0):
        yield GridRow("Llama-3.1-8B", "lora", 4096, 4, card_gib=card)
    yield GridRow("Llama-3.1-8B", "qlora", 16384, 1)
    yield GridRow("Qwen2.5-14B", "qlora", 2048, 2)
    yield GridRow("Qwen2.5-14B", "lora", 4096, 2)
    yield GridRow("Llama-3.1-8B", "full", 1024, 1, card_gib=80.0)
    yield GridRow("Llama-3.1-8B", "lora", 16384, 2)
