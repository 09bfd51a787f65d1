"""A base model as lines: what it is, what it weighs, what is still to be downloaded."""

from __future__ import annotations

from engine.errors import TailfinError
from tui.draw.line import Line, labelled, line, wrapped
from tui.draw.words import size
from tui.model_lookup import Found

_LABEL = 11


def model_lines(found: Found, width: int) -> list[Line]:
    """What was found out about a model that can be used."""
    place = found.place
    drawn = _fact("OK", _architecture(found), width, role="ok")
    if place.is_local:
        drawn += _fact("Folder", place.path, width)
    else:
        drawn += _fact("Hub", f"{place.path}, commit {place.revision[:12]}", width)
    stored = _stored(found)
    files = f"{len(place.files)} files"
    drawn += _fact("Size", f"{size(place.total_bytes)} in {files}{stored}", width)
    if not place.is_local:
        drawn += _fact("Download", _download(found), width)
    if found.has_template is not False:
        said = "its own" if found.has_template else "known once it is downloaded"
        drawn += _fact("Template", said, width)
    return [*drawn, *_cautions(found, width)]


def refusal_lines(error: TailfinError, width: int) -> list[Line]:
    """Why a model cannot be used, and what to do."""
    area, _, reason = error.error_id.partition(".")
    words = reason.replace("-", " ")
    heading = line(("FAIL", "fail"), ("  " + (f"{area}: {words}" if words else area), "dim"))
    return [heading, *wrapped(error.message, width), *wrapped(error.hint, width, "value")]


def _architecture(found: Found) -> str:
    shape = found.shape
    if shape is None:
        kind = found.place.config.get("model_type")
        return f"architecture {kind}" if kind else "an architecture that config.json does not name"
    context = f", context of {shape.max_positions:,} tokens" if shape.max_positions else ""
    layers = f"{len(shape.layers)} layers of width {shape.hidden}"
    return f"{shape.model_type} with {params(shape.params)} parameters, {layers}{context}"


def params(count: int) -> str:
    """A number of parameters as people say it: 0.36 M, 494 M, 7.6 B."""
    for unit, scale in (("B", 10**9), ("M", 10**6)):
        if count >= scale or unit == "M":
            value = count / scale
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    raise AssertionError(count)


def _stored(found: Found) -> str:
    config = found.place.config
    named = config.get("dtype") or config.get("torch_dtype")
    return f", stored as {str(named).removeprefix('torch.')}" if named else ""


def _download(found: Found) -> str:
    place = found.place
    if place.missing_bytes <= 0:
        return "nothing, all of it is in the cache"
    missing, total = size(place.missing_bytes), size(place.total_bytes)
    of_total = f" of {total}" if missing != total else ""
    return (
        f"{missing}{of_total} when the run starts; "
        f"{size(found.free_bytes)} are free at {found.cache}"
    )


def _cautions(found: Found, width: int) -> list[Line]:
    said: list[str] = []
    if found.place.note:
        said.append(found.place.note)
    if found.has_template is False:
        said.append(
            "This model has no chat template. The plain one is used (### User, ### Assistant); "
            "model.chat_template names another."
        )
    if found.shape_trouble:
        said.append(f"{found.shape_trouble} It can be trained all the same.")
    if "auto_map" in found.place.config and found.shape is None:
        said.append(
            "It ships Python code of its own, which runs only with model.trust_remote_code on."
        )
    return [drawn for text in said for drawn in _fact("WARN", text, width, role="warn")]


def _fact(label: str, text: str, width: int, role: str = "dim") -> list[Line]:
    return labelled(label, wrapped(text, width - _LABEL), _LABEL, role)
