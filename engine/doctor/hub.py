"""The model hub: whether it answers from here, and whether a token is at hand."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from engine.doctor.facts import Box, HubFacts
from engine.doctor.host import Host
from engine.findings import Finding

DEFAULT_ENDPOINT = "https://huggingface.co"
TIMEOUT_S = 3.0
_TOKEN_NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def hub_home(env: Mapping[str, str]) -> Path:
    """The hub's folder, by the rule huggingface_hub documents."""
    if named := env.get("HF_HOME"):
        return Path(named).expanduser()
    cache = env.get("XDG_CACHE_HOME") or os.path.join(env.get("HOME") or "~", ".cache")
    return Path(cache).expanduser() / "huggingface"


def hub_cache(env: Mapping[str, str]) -> Path:
    """Where downloaded models lie."""
    named = env.get("HF_HUB_CACHE")
    return Path(named).expanduser() if named else hub_home(env) / "hub"


def read_hub(root: Path, env: Mapping[str, str]) -> HubFacts:
    """What can be known without the network."""
    here = any(env.get(name) for name in _TOKEN_NAMES)
    saved = Path(env.get("HF_TOKEN_PATH") or hub_home(env) / "token")
    has_token = here or _holds_text(saved)
    return HubFacts(
        endpoint=(env.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/"),
        offline=env.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"),
        has_token=has_token,
        token_elsewhere="" if has_token else _token_elsewhere(root),
        trouble=f"no answer within {TIMEOUT_S:g} s",
    )


def ask_hub(known: HubFacts, host: Host, timeout_s: float = TIMEOUT_S) -> HubFacts:
    """Knock at the hub; any HTTP answer counts.

    Looking its name up may outlast the timeout: call it in a thread.
    """
    if known.offline:
        return known
    reply = host.ask("HEAD", known.endpoint, timeout_s=timeout_s)
    return replace(known, reachable=not reply.error, trouble=reply.error, elapsed_s=reply.seconds)


def check_reachable(box: Box) -> list[Finding]:
    """Whether the hub answers; local models work without it."""
    hub = box.hub
    if hub.offline:
        message = "HF_HUB_OFFLINE is set: only models already on this disk can be used."
        return [Finding("hub.offline", "info", message, "unset HF_HUB_OFFLINE")]
    if hub.reachable:
        message = f"The hub answered in {hub.elapsed_s:.1f} s."
        return [Finding("hub", "ok", message, where=hub.endpoint)]
    message = f"The hub does not answer ({hub.trouble}); only models on this disk can be used."
    fix = "Check the network, or take a mirror: export HF_ENDPOINT=https://... HF_HUB_DISABLE_XET=1"
    return [Finding("hub.unreachable", "warn", message, fix, hub.endpoint)]


def check_token(box: Box) -> list[Finding]:
    """Whether gated models can be asked for."""
    hub = box.hub
    if hub.has_token:
        return [Finding("hub.token", "ok", "A hub token is set.")]
    if hub.token_elsewhere:
        message = (
            "The hub token of this box's template is not set in this shell "
            f"(it stands in {hub.token_elsewhere})."
        )
        fix = "Log in again through the platform's terminal, or run: hf auth login"
        return [Finding("hub.token-elsewhere", "warn", message, fix)]
    message = "No hub token is set; gated models need one."
    return [Finding("hub.no-token", "info", message, "hf auth login")]


CHECKS = (check_reachable, check_token)


def _token_elsewhere(root: Path) -> str:
    """Where a rented box keeps the token that its SSH shells do not inherit."""
    pattern = re.compile(rb"(?:^|[\0\n ])(?:" + "|".join(_TOKEN_NAMES).encode() + rb")=[^\0\n]")
    for name in ("proc/1/environ", "etc/rp_environment"):
        try:
            if pattern.search((root / name).read_bytes()):
                return f"/{name}"
        except OSError:
            continue
    return ""


def _holds_text(file: Path) -> bool:
    try:
        return bool(file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return False
