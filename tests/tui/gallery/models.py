"""Base models a wizard could be asked for, found or refused in the engine's own words."""

from __future__ import annotations

from engine.errors import TailfinError
from engine.hub import ModelPlace
from engine.memory.model_shape import read_shape
from tests.tui.gallery.course import MODEL
from tests.tui.gallery.scene import Stage
from tui.model_lookup import Found
from tui.recent import Recent

QWEN_CONFIG: dict[str, object] = {
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}
QWEN_8B_CONFIG: dict[str, object] = {
    **QWEN_CONFIG,
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "tie_word_embeddings": False,
}
_FILES = (
    ("config.json", 726),
    ("generation_config.json", 239),
    ("model-00001-of-00002.safetensors", 3_441_185_608),
    ("model-00002-of-00002.safetensors", 622_329_984),
    ("model.safetensors.index.json", 25_605),
    ("tokenizer.json", 11_422_654),
    ("tokenizer_config.json", 9_732),
)
_TOTAL = sum(num_bytes for _, num_bytes in _FILES)
FREE_BYTES = 335_007_449_088
CACHE = "/workspace/hf/hub"

ON_HUB = ModelPlace(
    MODEL, False, "70d244cc86ccca08cf5af4e1e306ecf908b1ad5e", _FILES, _TOTAL, 12_000, QWEN_CONFIG
)
CACHED = ModelPlace(MODEL, False, ON_HUB.revision, _FILES, _TOTAL, _TOTAL, QWEN_CONFIG)
LOCAL = ModelPlace(
    "/workspace/models/qwen3-1.7b-base", True, "", _FILES, _TOTAL, _TOTAL, QWEN_CONFIG
)
BIG = ModelPlace(
    "Qwen/Qwen3-8B", False, ON_HUB.revision, _FILES, 4 * _TOTAL, 4 * _TOTAL, QWEN_8B_CONFIG
)
RECENT = (
    Recent(MODEL, "run 20261124-122000-support-bot-r8", _TOTAL),
    Recent("meta-llama/Llama-3.2-3B-Instruct", "run 20261123-152000-legal-de", 6_435_000_000),
    Recent("/workspace/models/qwen3-1.7b-base", "run 20261121-152000-many-saves", 0),
    Recent("/opt/tailfin/samples/model", "embedded: tiny, for trying tailfin out", 0),
)


def found(place: ModelPlace, *, has_template: bool | None = True) -> Found:
    free = 0 if place.is_local else FREE_BYTES
    return Found(place, read_shape(place.config), "", has_template, CACHE, free)


def answer(stage: Stage, value: Found | TailfinError | None, recent: object = RECENT) -> None:
    """Let the model step find this, be refused so, or (None) wait for ever."""

    def look_up(written: str, revision: str = "") -> Found:
        if value is None:
            stage.wait()
        if isinstance(value, TailfinError):
            raise value
        assert value is not None
        return value

    stage.set("tui.panes.model.monotonic", lambda: 0.0)
    stage.set("tui.panes.model.look_up", look_up)
    stage.set("tui.panes.model.study", lambda place: value)
    stage.set("tui.panes.model.recent_models", lambda runs: recent)
    stage.set("huggingface_hub.constants.ENDPOINT", "https://huggingface.co")


def gated() -> TailfinError:
    """What the hub's refusal of a gated model is turned into."""
    from huggingface_hub.errors import GatedRepoError
    from huggingface_hub.utils import httpx

    from engine.hub.refusal import refusal

    request = httpx.Request("HEAD", "https://huggingface.co/meta-llama/Llama-3.2-3B-Instruct")
    response = httpx.Response(401, request=request)
    error = GatedRepoError("gated", response=response)
    return refusal(error, "meta-llama/Llama-3.2-3B-Instruct", "main")


def missing() -> TailfinError:
    """What the hub's word for an unknown model is turned into."""
    from huggingface_hub.errors import RepositoryNotFoundError
    from huggingface_hub.utils import httpx

    from engine.hub.refusal import refusal

    request = httpx.Request("HEAD", "https://huggingface.co/Qwen/Qwen3-1.7")
    response = httpx.Response(401, request=request)
    error = RepositoryNotFoundError("missing", response=response)
    return refusal(error, "Qwen/Qwen3-1.7", "main", "Qwen/Qwen3-1.7B")
