"""RAM of the host and space on disk that a run takes, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.model_shape import ModelShape
from engine.memory.optimizer import OptimizerBytes
from engine.memory.recipe import Recipe
from engine.memory.weights import Trained, bytes_of
from engine.spec import Spec

# A merge holds the weights, one layer's update beside them, and what the process holds anyway.
MERGE_HEADROOM = 1.3


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a journey: bytes of RAM it holds at once and bytes it adds to the disk."""

    name: str
    ram: int
    disk: int


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes. RAM is the process's own; pages of mapped files come on top and can be dropped.

    `bare_ram` is a worker before its model, `largest` the biggest tensor, which passes through RAM
    on its way to the device, `paged` the optimizer states that may lie in RAM, `result` what a
    checkpoint stores of the weights. `download` is what the model's files hold (0 for a local
    folder), `checkpoint` one checkpoint, `checkpoints` all that lie there at once, `adapter` and
    `merged` the two exports. `adapts` tells an adapter run, whose merge is added up in RAM; after
    the other methods an export copies files.
    """

    bare_ram: int
    largest: int
    paged: int
    result: int
    download: int
    checkpoint: int
    checkpoints: int
    merged: int
    adapts: bool

    @property
    def adapter(self) -> int:
        return self.result if self.adapts else 0

    @property
    def host_ram(self) -> int:
        """The most RAM from loading to the last checkpoint, with the model on a GPU."""
        return self.bare_ram + max(self.largest, self.result) + self.paged

    @property
    def disk(self) -> int:
        """Model files, checkpoints and a merged export together."""
        return self.download + self.checkpoints + self.adapter + self.merged

    def stages(self, model_ram: int = 0) -> tuple[Stage, ...]:
        """Every stage in order; `model_ram` is what training holds in RAM where that is the device.

        The download is written through, so it holds no RAM to speak of. safetensors turns all it
        writes into one buffer first (_flatten in its torch.py), hence the RAM of saving.
        """
        training = self.bare_ram + self.paged + model_ram
        merging = int(MERGE_HEADROOM * self.merged) if self.adapts else 0
        return (
            Stage("download", 0, self.download),
            Stage("load", self.bare_ram + max(self.largest, model_ram), 0),
            Stage("train", training, 0),
            Stage("save", training + self.result, self.checkpoints),
            Stage("merge", self.bare_ram + merging, self.adapter + self.merged),
        )


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
    return Storage(
        bare_ram=baseline,
        largest=largest,
        paged=optimizer.paged,
        result=result,
        download=shape.params * shape.checkpoint_bytes if download is None else download,
        checkpoint=checkpoint,
        # those kept, the best one, and the one being written before the oldest goes
        checkpoints=checkpoint * (spec.save.keep + 2),
        merged=shape.params * (2 if adapts else model_item),
        adapts=adapts,
    )
