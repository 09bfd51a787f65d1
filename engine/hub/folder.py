"""A model folder on disk: all parts present and whole, or one message that lists what is not."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TailfinError
from engine.hub.files import (
    CONFIG,
    has_tokenizer,
    instead_of_weights,
    is_index,
    shard_names,
    side_files,
    weight_entry,
)

_LFS_POINTER = b"version https://git-lfs"
# safetensors itself refuses longer headers.
_MAX_HEADER_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class FolderContent:
    """The needed files of a folder as (name, bytes), and its config.json."""

    files: tuple[tuple[str, int], ...]
    config: dict[str, object]


def inspect_folder(folder: Path) -> FolderContent:
    """Check a model folder without loading it.

    Raises TailfinError that names the folder and every missing, cut-short or unreadable file.
    """
    names = _names(folder)
    problems: list[_Problem] = []
    config = _config(folder, names, problems)
    weights = _weights(folder, names, problems)
    if CONFIG in names and not has_tokenizer(names):
        problems.append(
            _Problem(
                "model.no-tokenizer",
                "it has no tokenizer (tokenizer.json, tokenizer.model or vocab.txt)",
                "Copy the base model's tokenizer files into the folder.",
            )
        )
    if problems:
        first = problems[0]
        raise TailfinError(
            f"The model folder {folder} cannot be used: "
            + "; ".join(problem.text for problem in problems)
            + ".",
            first.hint,
            where=folder,
            error_id=first.error_id,
        )
    needed = sorted({*side_files(names), *weights})
    return FolderContent(tuple((name, (folder / name).stat().st_size) for name in needed), config)


@dataclass(frozen=True, slots=True)
class _Problem:
    error_id: str
    text: str
    hint: str


def _names(folder: Path) -> set[str]:
    if folder.is_file():
        raise TailfinError(
            f"{folder} is a file, not a model folder.",
            "Name the folder that holds config.json and the safetensors weights"
            + (" of the original model; GGUF cannot be trained." if _is_gguf(folder) else "."),
            where=folder,
            error_id="model.not-a-folder",
        )
    if not folder.is_dir():
        raise TailfinError(
            f"There is no model folder {folder}.",
            "Check the path; a hub model is named like owner/name, without a leading / or ./ .",
            where=folder,
            error_id="model.missing",
        )
    try:
        # is_file() follows links: a cache whose blob was removed keeps dangling ones.
        names = {entry.name for entry in os.scandir(folder) if entry.is_file()}
        templates = folder / "additional_chat_templates"
        if templates.is_dir():
            names |= {f"{templates.name}/{entry.name}" for entry in os.scandir(templates)}
    except OSError as error:
        raise TailfinError(
            f"The model folder {folder} could not be read: {error.strerror}.",
            "Check the permissions of the folder.",
            where=folder,
            error_id="model.unreadable",
        ) from error
    return names


def _is_gguf(path: Path) -> bool:
    return path.suffix.lower() == ".gguf"


def _config(folder: Path, names: Collection[str], problems: list[_Problem]) -> dict[str, object]:
    if CONFIG not in names:
        instead = instead_of_weights(names)
        problems.append(
            _Problem(
                "model.is-adapter" if "adapter_config.json" in names else "model.no-config",
                f"it has no {CONFIG}" + (f" and holds {instead}" if instead else ""),
                _adapter_hint(folder)
                if "adapter_config.json" in names
                else "Name the folder save_pretrained wrote, or a hub name like owner/name.",
            )
        )
        return {}
    return _json(folder / CONFIG, problems)


def _adapter_hint(folder: Path) -> str:
    problems: list[_Problem] = []
    base = _json(folder / "adapter_config.json", problems).get("base_model_name_or_path")
    return f"Train its base model instead{f', {base}' if base else ''}."


def _weights(folder: Path, names: Collection[str], problems: list[_Problem]) -> set[str]:
    entry = weight_entry(names)
    if entry is None:
        # Without a config.json the folder is no model at all, which has been said already.
        if CONFIG in names:
            instead = instead_of_weights(names)
            problems.append(
                _Problem(
                    "model.no-weights",
                    "it has no weights (model.safetensors or pytorch_model.bin)"
                    + (f", only {instead}" if instead else ""),
                    "Copy the weight files into the folder, or name the original model.",
                )
            )
        return set()
    if not is_index(entry):
        _check_whole(folder / entry, problems)
        return {entry}
    shards = shard_names(_json(folder / entry, problems))
    if not shards:
        problems.append(
            _Problem(
                "model.incomplete",
                f"{entry} names no weight files",
                "Copy the index again from where the model came from.",
            )
        )
    missing = [name for name in shards if not (folder / name).is_file()]
    if missing:
        listed = ", ".join(missing[:4]) + (", ..." if len(missing) > 4 else "")
        problems.append(
            _Problem(
                "model.incomplete",
                f"{len(missing)} of {len(shards)} weight files named in {entry} are missing "
                f"({listed})",
                "Copy the missing files, or name the hub model and let it be downloaded.",
            )
        )
    for name in shards:
        if name not in missing:
            _check_whole(folder / name, problems)
    return {entry, *shards}


def _check_whole(path: Path, problems: list[_Problem]) -> None:
    again = "Copy the file again, or name the hub model and let it be downloaded."
    try:
        if _is_lfs_pointer(path):
            text = f"{path.name} is a Git LFS pointer, not the weights themselves"
            hint = f"Run: git -C {path.parent} lfs pull"
            problems.append(_Problem("model.lfs-pointer", text, hint))
        elif text := _what_is_wrong(path):
            problems.append(_Problem("model.incomplete", text, again))
    except OSError as error:
        text = f"{path.name} could not be read ({error.strerror})"
        problems.append(_Problem("model.unreadable", text, "Check its permissions and the disk."))


def _is_lfs_pointer(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_LFS_POINTER)) == _LFS_POINTER


def _what_is_wrong(path: Path) -> str:
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        # torch has written zip archives since 1.6; their directory stands at the end.
        with path.open("rb") as file:
            is_cut = size == 0 or (file.read(2) == b"PK" and not zipfile.is_zipfile(path))
        return f"{path.name} is cut short ({size:,} bytes)" if is_cut else ""
    wanted = _safetensors_bytes(path)
    if wanted is None:
        return f"{path.name} has no readable safetensors header ({size:,} bytes)"
    if wanted != size:
        kind = "cut short" if size < wanted else "too long"
        return f"{path.name} is {kind} ({size:,} of {wanted:,} bytes)"
    return ""


def _safetensors_bytes(path: Path) -> int | None:
    """Size the header promises; format: 8 bytes length, JSON, data (safetensors README)."""
    with path.open("rb") as file:
        length_field = file.read(8)
        if len(length_field) < 8:
            return None
        header_bytes: int = struct.unpack("<Q", length_field)[0]
        if header_bytes > _MAX_HEADER_BYTES:
            return None
        header_text = file.read(header_bytes)
    try:
        header = json.loads(header_text)
        ends = [int(v["data_offsets"][1]) for k, v in header.items() if k != "__metadata__"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    return 8 + header_bytes + max(ends, default=0)


def _json(path: Path, problems: list[_Problem]) -> dict[str, object]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problems.append(
            _Problem(
                "model.unreadable",
                f"{path.name} could not be read as JSON ({reason})",
                "Copy the file again from where the model came from.",
            )
        )
        return {}
    return value if isinstance(value, dict) else {}
