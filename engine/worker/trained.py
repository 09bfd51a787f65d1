"""Base and tuned model of one run behind one handle, loaded the way training loaded them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from engine.evaluate.delivered import Delivered
from engine.hub import find_model

if TYPE_CHECKING:
    from engine.worker.load import LoadedModel

Which = Literal["base", "tuned"]


class Listener(Protocol):
    """Who is told how far loading is: a job's journal, or a session's pipe."""

    def stage(self, name: str, detail: str = "") -> None: ...
    def progress(self, done: float, total: float, unit: str) -> None: ...
    def notice(self, notice_id: str, severity: str, message: str, fix: str = "") -> None: ...


class Pair:
    """The two models of a run.

    An adapter is switched off for the base, so both share one copy of the weights; whole models
    (full, freeze) are held one at a time. `dtype`, `device`, `bits` (of a quantised base, else 0)
    and `quantization` (as transformers writes it, None without) are known once one is loaded.
    """

    def __init__(self, delivered: Delivered, listener: Listener) -> None:
        from transformers import AutoTokenizer

        from engine.worker.tokens import render_template

        self.delivered = delivered
        self.base_folder = fetch_base(delivered, listener)
        self.dtype = ""
        self.device = ""
        self.bits = 0
        self.quantization: dict[str, object] | None = None
        self._listener = listener
        self._model: Any = None
        self._loaded: Which | None = None
        self.tokenizer = AutoTokenizer.from_pretrained(
            delivered.result, trust_remote_code=delivered.spec.model.trust_remote_code
        )
        # The delivered tokenizer carries the template that was chosen, wherever its file is now.
        own = self.tokenizer.chat_template
        choice = "auto" if own else delivered.spec.model.chat_template
        self.template = render_template(self.tokenizer, choice)

    @contextmanager
    def model(self, which: Which) -> Iterator[Any]:
        """The base or the tuned model, ready for forward passes without gradients."""
        import torch

        self._load(which)
        with torch.inference_mode():
            if self.delivered.is_adapter and which == "base":
                with self._model.disable_adapter():
                    yield self._model
            else:
                yield self._model

    def release(self) -> None:
        """Give the memory back."""
        import torch

        self._model, self._loaded = None, None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def base_form(self) -> str:
        """How the base was held, because 4-bit and full weights are not the same model."""
        return f"{self.bits}-bit" if self.bits else "as published"

    def _load(self, which: Which) -> None:
        if self._loaded == which or (self._loaded and self.delivered.is_adapter):
            return
        self.release()
        folder = self.base_folder
        if which == "tuned" and not self.delivered.is_adapter:
            folder = str(self.delivered.result)
        self._listener.stage("load", _detail(self.delivered, which))
        loaded = load_as_trained(folder, self.delivered, self._listener)
        model = loaded.model
        self.dtype, self.device, self.bits = loaded.dtype, loaded.device, loaded.quantized
        held = getattr(model.config, "quantization_config", None)
        self.quantization = held.to_dict() if held is not None else None
        if self.delivered.is_adapter:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(self.delivered.result))
        model.eval()
        model.config.use_cache = True
        self._model, self._loaded = model, which


def load_as_trained(folder: str, delivered: Delivered, listener: Listener) -> LoadedModel:
    """The model in a folder with the run's dtype, attention and quantisation."""
    import torch

    from engine.worker.load import load_model

    spec = delivered.spec
    if spec.model.dtype == "float16" and not torch.cuda.is_available():
        # No CPU computes in it; float32 holds every float16 number exactly.
        model = spec.model.model_copy(update={"dtype": "float32"})
        spec = spec.model_copy(update={"model": model})
    return load_model(
        folder,
        spec,
        report=lambda done, total: listener.progress(done, total, "bytes"),
        on_stall=lambda seconds, advice: _stalled(listener, "load", seconds, advice),
    )


def fetch_base(delivered: Delivered, listener: Listener) -> str:
    """The base model's local folder; a hub name that is not in the cache is downloaded."""
    spec = delivered.spec.model
    place = find_model(spec.path, spec.revision)
    if place.is_local:
        return place.path
    from engine.worker.download import download_model

    listener.stage("download", spec.path)
    folder = download_model(
        place,
        lambda done, total: listener.progress(done, total, "bytes"),
        on_stall=lambda seconds, advice: _stalled(listener, "download", seconds, advice),
    )
    return str(folder)


def _stalled(listener: Listener, stage: str, seconds: float, advice: str) -> None:
    listener.notice(f"{stage}.stalled", "warn", f"No bytes came for {seconds:.0f} s.", advice)


def _detail(delivered: Delivered, which: Which) -> str:
    base = Path(delivered.spec.model.path).name
    if delivered.is_adapter:
        return f"{base} with its adapter"
    return base if which == "base" else f"{base} as trained"
