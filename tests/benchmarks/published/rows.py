"""Published peaks as rows: which stack measured them, and what of it is described here."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import Any

from engine.memory.cards import Card, find_card

GPT_BIGCODE: dict[str, Any] = {
    "model_type": "gpt_bigcode", "n_embd": 2048, "n_head": 16, "n_inner": 8192, "n_layer": 24,
    "n_positions": 2048, "vocab_size": 49280, "multi_query": True, "attn_pdrop": 0.1,
    "embd_pdrop": 0.1, "resid_pdrop": 0.1, "activation_function": "gelu_pytorch_tanh",
}  # fmt: skip
# sizes from each model's public config.json
CONFIGS: dict[str, dict[str, Any]] = {
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": {
        "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 22,
        "num_attention_heads": 32, "num_key_value_heads": 4, "intermediate_size": 5632,
        "vocab_size": 32000,
    },
    "HuggingFaceTB/SmolLM2-1.7B": {
        "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 24,
        "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 8192,
        "vocab_size": 49152, "tie_word_embeddings": True,
    },
    "HuggingFaceTB/SmolLM2-135M": {
        "model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
        "vocab_size": 49152, "tie_word_embeddings": True,
    },
    "Qwen/Qwen2.5-1.5B-Instruct": {
        "model_type": "qwen2", "hidden_size": 1536, "num_hidden_layers": 28,
        "num_attention_heads": 12, "num_key_value_heads": 2, "intermediate_size": 8960,
        "vocab_size": 151936, "tie_word_embeddings": True,
    },
    "mistralai/Mistral-7B-v0.1": {
        "model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "vocab_size": 32000, "sliding_window": 4096,
    },
    "bigcode/gpt_bigcode-santacoder": GPT_BIGCODE,
}  # fmt: skip
CONFIGS["Qwen/Qwen2.5-Coder-1.5B-Instruct"] = CONFIGS["Qwen/Qwen2.5-1.5B-Instruct"]

PLAIN_LOOP = "fitcheck-llm 0.3.1: transformers + PEFT loop, T4"
OLDER_TRL = "fms-acceleration: TRL 0.13, transformers 4.48, A100"
_UNCHANGED = {"none", "baseline-peft-bnb", "accelerated-peft-bnb"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file. `stack` is empty where the stack is not described, `why` says why.

    `measured` and the outer figure are GiB; NaN for a run that is known to have failed.
    """

    cells: tuple[tuple[str, str], ...]
    stack: str
    why: str

    def __getitem__(self, name: str) -> str:
        return dict(self.cells)[name]

    @property
    def ran_out(self) -> bool:
        return self["measured_peak_gib"] == "OOM"

    @property
    def measured(self) -> float:
        return float("nan") if self.ran_out else float(self["measured_peak_gib"])

    @property
    def outer(self) -> tuple[str, float]:
        """What the allocator reserved (plain loop) or the driver saw (older TRL)."""
        if self.stack == PLAIN_LOOP:
            return "reserved", float(self.note("reserved_gib"))
        return "process", float(self.note("nvidia_smi_minus_baseline_gib"))

    @property
    def config(self) -> dict[str, Any]:
        return CONFIGS[self["model"]]

    @property
    def length(self) -> int:
        return int(self["seq_len"])

    @property
    def rows(self) -> int:
        return int(self["micro_batch"])

    @property
    def rank(self) -> int:
        return int(self["rank"] or 16)

    @property
    def targets(self) -> list[str]:
        words = (name.strip() for name in self["target_modules"].split(","))
        return [f"{word}_proj" for word in words if word]

    @property
    def quantised(self) -> bool:
        return self["method"] == "QLoRA-nf4"

    @property
    def method(self) -> str:
        return {"full": "full", "LoRA": "lora", "QLoRA-nf4": "qlora"}[self["method"]]

    @property
    def eager(self) -> bool:
        return self["attention_impl"] == "eager"

    @property
    def prepared(self) -> bool:
        """peft's k-bit preparation ran (the accelerated plugin leaves it out)."""
        return self.note("accel") == "baseline-peft-bnb"

    @property
    def autocast(self) -> bool:
        return self.note("bf16_flag").upper() == "TRUE"

    @property
    def card(self) -> Card:
        return find_card("T4" if self["gpu"].startswith("Tesla") else "A100 80GB")

    @property
    def label(self) -> str:
        short = self["model"].rpartition("/")[2].replace("-Instruct", "").replace("-Chat-v1.0", "")
        accel = self.note("accel")
        extra = f" {accel}" if accel not in ("", "none") else ""
        kernel = self["attention_impl"].partition("(")[0].replace("flash_attention_2", "fa2")
        return f"{short} {self['method']} {self['seq_len']}x{self['micro_batch']} {kernel}{extra}"

    def note(self, name: str) -> str:
        found = re.search(rf"{name}=([^;]+)", self["notes"])
        return found.group(1) if found else ""


def read_rows(path: str) -> list[Row]:
    """All rows of the file, each with its stack."""
    with open(path, newline="", encoding="utf-8") as file:
        return [row_of(cells) for cells in csv.DictReader(file)]


def row_of(cells: dict[str, str]) -> Row:
    """A row and whether it can be compared."""
    stack, why = _stack(cells)
    return Row(tuple(cells.items()), stack, why)


def _stack(cells: dict[str, str]) -> tuple[str, str]:
    known = cells["model"] in CONFIGS
    if "fitcheck-llm" in cells["source"]:
        return (PLAIN_LOOP, "") if known else ("", "model not described")
    if "fms" not in cells["framework"]:
        return "", "another training program"
    if "FSDP" in cells["framework"]:
        return "", "several cards (FSDP)"
    accel = re.search(r"accel=([^;]+)", cells["notes"])
    plugins = accel.group(1) if accel else ""
    if "GPTQ" in cells["method"]:
        return "", "another quantisation (GPTQ)"
    if plugins not in _UNCHANGED:
        return "", "kernels of another project (foak, liger, padding-free)"
    if not cells["seq_len"].isdigit():
        return "", "rows of unknown length"
    if not known or "tf4.48" not in cells["notes"]:
        return "", "model or version not described"
    if "bigcode" in cells["model"] and cells["method"] != "full":
        return "", "adapted modules are not published"
    return OLDER_TRL, ""
