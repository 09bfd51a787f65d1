"""What the hub's refusals mean, told apart, each with the action that helps.

The hub answers 401 both for a missing model and for a private one, 401 for a gated model without a
token, 403 with a token whose owner has not accepted the licence (nebius-physical-ai#264).
"""

from __future__ import annotations

import errno
import re

from engine.errors import EXIT_NO, TailfinError
from engine.hub.cache import cache_root, free_bytes

# Hub tokens start with hf_; none may ever reach a message, whoever wrote it.
_TOKEN = re.compile(r"\b(hf|api_org)_[A-Za-z0-9]{6,}|Bearer\s+\S+")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_WRITE = (errno.EACCES, errno.EPERM, errno.EROFS)
_LOGIN = "Run `hf auth login`, or set HF_TOKEN"


def is_unreachable(error: BaseException) -> bool:
    """Whether the hub gave no answer at all: no network, no name, no route, a timeout, a proxy."""
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.utils import httpx  # httpx in 1.x, httpx2 in 2.x, under one name

    return isinstance(error, (httpx.TransportError, OfflineModeIsEnabled, TimeoutError))


def is_passing(error: BaseException) -> bool:
    """Whether trying again can help: no answer, too many requests, or the hub's own trouble."""
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    return is_unreachable(error)


def refusal(error: Exception, name: str, revision: str, did_you_mean: str = "") -> TailfinError:
    """The message for a failed question or download; `did_you_mean` goes into the hint."""
    from huggingface_hub.errors import (
        DisabledRepoError,
        FileMetadataError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, TailfinError):
        return error
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # it only says that the cache could not help either
    if is_unreachable(error):
        return offline(name, _reason(error))
    if isinstance(error, HFValidationError):
        return bad_name(name)
    if isinstance(error, GatedRepoError):
        return _gated(error, name)
    if isinstance(error, RepositoryNotFoundError):
        return _missing(name, did_you_mean)
    if isinstance(error, RevisionNotFoundError):
        return TailfinError(
            f"The model {name} has no revision {revision}.",
            f"See {_page(name)}/commits for its branches and commits, or leave model.revision out.",
            where=name,
            error_id="model.revision-missing",
        )
    if isinstance(error, DisabledRepoError):
        return TailfinError(
            f"The hub has disabled the model {name}.",
            "Name another model.",
            where=name,
            error_id="model.disabled",
        )
    if isinstance(error, FileMetadataError):
        return TailfinError(
            f"{_endpoint()} did not answer like a hub: {_clean(error)}",
            "Check HF_ENDPOINT and the proxy settings of this shell.",
            where=name,
            error_id="hub.not-a-hub",
            exit_code=EXIT_NO,
        )
    if isinstance(error, HfHubHTTPError):
        return _http(error, name)
    if isinstance(error, OSError):
        return _disk(error, name)
    return TailfinError(
        f"The hub's answer about {name} could not be used: {_clean(error)}",
        "Try again; if it stays, download the model elsewhere and name its folder.",
        where=name,
        error_id="hub.failed",
        exit_code=EXIT_NO,
    )


def offline(name: str, reason: str) -> TailfinError:
    return TailfinError(
        f"The model {name} is not completely in the cache ({cache_root()}) and {_endpoint()} "
        f"could not be reached: {reason}.",
        "Check the network and proxy, set HF_ENDPOINT to a mirror you can reach "
        "(with HF_HUB_DISABLE_XET=1), or copy the model here and name its folder.",
        where=name,
        error_id="hub.offline",
        exit_code=EXIT_NO,
    )


def bad_name(name: str) -> TailfinError:
    return TailfinError(
        f"{name!r} is neither a folder here nor a possible hub name.",
        "Name a folder with config.json and weights, or a hub model like owner/name.",
        where=name,
        error_id="model.bad-name",
    )


def no_space(needed_bytes: int, name: str) -> TailfinError:
    """`needed_bytes` is what is still to come."""
    root = cache_root()
    return TailfinError(
        f"The model {name} needs another {_gib(needed_bytes)} GiB and the volume of the cache "
        f"{root} has {_gib(free_bytes(root))} GiB free.",
        "Set HF_HOME to a folder on a larger volume, or remove models with `hf cache rm`.",
        where=root,
        error_id="hub.no-space",
        exit_code=EXIT_NO,
    )


def _gated(error: Exception, name: str) -> TailfinError:
    status, said = _status(error), _said(error)
    if status == 401:
        return TailfinError(
            f"The model {name} is gated and no token was sent.",
            f"Accept its licence at {_page(name)}, then {_LOGIN[0].lower()}{_LOGIN[1:]}.",
            where=name,
            error_id="model.gated-no-token",
        )
    if "fine-grained" in said.lower():
        hint = "Allow access to public gated repositories in the token's settings on the hub."
    elif "awaiting" in said.lower() or "pending" in said.lower():
        hint = f"Your request waits for its authors; see {_page(name)}, or name another model."
    else:
        hint = f"Open {_page(name)}, accept the licence with the account of this token, try again."
    return TailfinError(
        f"The model {name} is gated and this token's account has no access"
        + (f" (the hub says: {said})." if said else "."),
        hint,
        where=name,
        error_id="model.gated-not-accepted",
    )


def _missing(name: str, did_you_mean: str) -> TailfinError:
    private = (
        "A private model is only seen with a token of an account that may read it."
        if has_token()
        else f"A private model looks the same without a token: {_LOGIN[0].lower()}{_LOGIN[1:]}."
    )
    return TailfinError(
        f"The hub knows no model {name}.",
        (f"Did you mean {did_you_mean}? " if did_you_mean else "Check the spelling. ") + private,
        where=name,
        error_id="model.missing",
    )


def _http(error: Exception, name: str) -> TailfinError:
    status, said = _status(error), _said(error)
    if status == 401:
        return TailfinError(
            f"The hub refused the token of this shell when asked for {name}"
            + (f" ({said})." if said else "."),
            f"{_LOGIN} to a token that is valid, or unset HF_TOKEN for public models.",
            where=name,
            error_id="model.token-invalid",
        )
    if status == 403:
        return TailfinError(
            f"The hub forbids this token to read {name}" + (f" ({said})." if said else "."),
            "Give the token read access to this model in its settings on the hub.",
            where=name,
            error_id="model.forbidden",
        )
    if status == 429:
        return TailfinError(
            f"The hub answered {name} with too many requests from this address.",
            f"Wait a few minutes. {_LOGIN}: the limit is higher with a token.",
            where=name,
            error_id="hub.rate-limited",
            exit_code=EXIT_NO,
        )
    return TailfinError(
        f"The hub answered {name} with status {status}" + (f" ({said})." if said else "."),
        "Try again in some minutes, or set HF_ENDPOINT to a mirror.",
        where=name,
        error_id="hub.failed",
        exit_code=EXIT_NO,
    )


def _disk(error: OSError, name: str) -> TailfinError:
    if error.errno in _DISK_FULL:
        return no_space(0, name)
    root = cache_root()
    if error.errno in _NO_WRITE:
        return TailfinError(
            f"The cache {root} cannot be written ({error.strerror}).",
            "Set HF_HOME to a folder you may write.",
            where=root,
            error_id="hub.cache-unwritable",
            exit_code=EXIT_NO,
        )
    return TailfinError(
        f"The model {name} could not be stored in {root}: {error.strerror or _clean(error)}.",
        "Check the volume, or set HF_HOME to another one.",
        where=root,
        error_id="hub.cache-failed",
        exit_code=EXIT_NO,
    )


def has_token() -> bool:
    """Whether requests carry a token; the token itself is never returned."""
    from huggingface_hub import constants, get_token

    return not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN and bool(get_token())


def _status(error: Exception) -> int:
    response = getattr(error, "response", None)
    return int(getattr(response, "status_code", 0))


def _said(error: Exception) -> str:
    """The server's own sentence, one line, without secrets."""
    said = getattr(error, "server_message", None) or ""
    return _TOKEN.sub("[token]", " ".join(said.split()))[:200].rstrip(" .")


def _clean(error: BaseException) -> str:
    return _TOKEN.sub("[token]", " ".join(str(error).split()))[:200]


def _reason(error: BaseException) -> str:
    text = _clean(error)
    kind = type(error).__name__
    if kind == "OfflineModeIsEnabled":
        return "HF_HUB_OFFLINE is set"
    return f"{kind}: {text}" if text else kind


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _page(name: str) -> str:
    return f"{_endpoint()}/{name}"


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f}"
