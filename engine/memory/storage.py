"""RAM of the host and space on disk that a run takes."""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.model_shape import ModelShape
from engine.memory.optimizer import OptimizerBytes
from engine.memory.recipe import Recipe
from engine.memory.weights import Trained, bytes_of
from engine.spec import Spec


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes. `host_ram` is the process's own; pages of mapped files come on top and can be dropped.

    `download` is what the model's files hold (0 for a local folder), `checkpoint` one checkpoint,
    `checkpoints` all that lie there at once, `adapter` and `merged` the two exports.
    """

    host_ram: int
    download: int
    checkpoint: int
    checkpoints: int
    adapter: int
    merged: int

    @property
    def disk(self) -> int:
        """Model files, checkpoints and a merged export together."""
        return self.download + self.checkpoints + self.adapter + self.merged


def storage_of(
    shape: ModelShape,
    spec: Spec,
    recipe: Recipe,
    tensors: list[Trained],
    optimizer: OptimizerBytes,
    *,
    download: int | None,
    baseline: int,
    largest: int,
) -> Storage:
    """`download` None takes the checkpoint's size from the shape; `baseline` is a bare worker."""
    adapts = recipe.rank > 0
    model_item = recipe.base_item if not adapts else shape.checkpoint_bytes
    result = bytes_of(tensors, recipe) if adapts else shape.params * model_item
    checkpoint = result + optimizer.states + optimizer.paged
    # safetensors turns everything it writes into one buffer in RAM first (_flatten in torch.py)
    writing = result
    host = baseline + max(largest, writing) + optimizer.paged
    return Storage(
        host_ram=host,
        download=shape.params * shape.checkpoint_bytes if download is None else download,
        checkpoint=checkpoint,
        # those kept, the best one, and the one being written before the oldest goes
        checkpoints=checkpoint * (spec.save.keep + 2),
        adapter=result if adapts else 0,
        merged=shape.params * (2 if adapts else model_item),
    )
