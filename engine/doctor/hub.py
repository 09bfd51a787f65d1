"""What this box is set up to do with the model hub, known without asking it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.doctor.facts import HubFacts
from engine.doctor.host import Host

DEFAULT_ENDPOINT = "https://huggingface.co"
TOKEN_NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
# What people set believing that huggingface_hub reads it.
_MISNAMED = (
    "HUGGINGFACE_TOKEN",
    "HUGGINGFACE_HUB_TOKEN",
    "HUGGINGFACEHUB_API_TOKEN",
    "HUGGINGFACE_API_KEY",
    "HF_API_TOKEN",
    "HF_ACCESS_TOKEN",
)
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_TRUE = ("1", "ON", "YES", "TRUE")  # huggingface_hub.constants.ENV_VARS_TRUE_VALUES
# Where rented boxes keep the environment that shells opened over SSH do not inherit
# (runpod/containers#70).
_TEMPLATES = ("/proc/1/environ", "/etc/rp_environment", "/etc/environment")
_SETTINGS = ("HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_DISABLE_XET")


def hub_home(env: Mapping[str, str]) -> Path:
    """The hub's folder, by the rule huggingface_hub documents."""
    if named := env.get("HF_HOME"):
        return _expanded(named, env)
    cache = env.get("XDG_CACHE_HOME") or "~/.cache"
    return _expanded(cache, env) / "huggingface"


def hub_cache(env: Mapping[str, str]) -> Path:
    """Where downloaded models lie."""
    named = env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE")
    return _expanded(named, env) if named else hub_home(env) / "hub"


def model_folder(env: Mapping[str, str], model: str) -> Path:
    """Where the cache keeps one model of the hub."""
    return hub_cache(env) / f"models--{model.replace('/', '--')}"


def token_file(env: Mapping[str, str]) -> Path:
    """Where `hf auth login` leaves the token."""
    named = env.get("HF_TOKEN_PATH")
    return _expanded(named, env) if named else hub_home(env) / "token"


def read_token(host: Host) -> str:
    """The token huggingface_hub would send, for a request and nothing else; empty without one."""
    for name in TOKEN_NAMES:
        if value := host.env.get(name, "").strip():
            return value
    return host.text(token_file(host.env)).strip()


def read_hub(host: Host) -> HubFacts:
    """What can be known without the network."""
    env = host.env
    named = next((name for name in TOKEN_NAMES if env.get(name, "").strip()), "")
    file = token_file(env)
    saved = str(file) if host.text(file).strip() else ""
    offline_by = next((n for n in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if env.get(n)), "")
    template, elsewhere = _template(host)
    token_name = next((name for name in TOKEN_NAMES if elsewhere.get(name)), "")
    has_token = bool(named or saved)
    return HubFacts(
        endpoint=(env.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/"),
        offline=_is_true(env.get(offline_by, "")),
        offline_by=offline_by,
        has_token=has_token,
        token_from=named or saved,
        token_saved_in=saved,
        token_malformed=_is_malformed(read_token(host)),
        token_misnamed=next((name for name in _MISNAMED if env.get(name)), ""),
        token_shared=bool(saved) and _is_shared(host, file),
        token_elsewhere=template if token_name and not has_token else "",
        token_elsewhere_name=token_name or TOKEN_NAMES[0],
        settings_elsewhere=tuple(
            f"{name}={elsewhere[name]}"
            for name in _SETTINGS
            if elsewhere.get(name) and not env.get(name) and "@" not in elsewhere[name]
        ),
        settings_elsewhere_in=template,
        xet_off=_is_true(env.get("HF_HUB_DISABLE_XET", "")),
        hf_transfer=_is_true(env.get("HF_HUB_ENABLE_HF_TRANSFER", "")),
        proxies=tuple(name for name in _PROXIES if env.get(name)),
        network_turbo=host.exists("/etc/network_turbo"),
        hf=_hf_command(host),
        cached_models=sum(n.startswith("models--") for n in host.names(hub_cache(env))),
    )


def _template(host: Host) -> tuple[str, dict[str, str]]:
    """The first file of the platform that sets something of the hub's, and what it sets."""
    wanted = {*TOKEN_NAMES, *_SETTINGS}
    for file in _TEMPLATES:
        found = {name: value for name, value in _settings(host.text(file)) if name in wanted}
        if any(found.values()):
            return file, found
    return "", {}


def _settings(text: str) -> Iterator[tuple[str, str]]:
    """The variables of a process' environment or of a shell file that sets them."""
    for line in re.split(r"[\0\n]", text):
        if match := re.match(r"\s*(?:export\s+)?(\w+)=(.*)$", line):
            yield match[1], match[2].strip().strip("\"'")


def _expanded(path: str, env: Mapping[str, str]) -> Path:
    """Variables and ~ filled in from the environment of the box asked about."""
    for name in re.findall(r"\$\{?(\w+)\}?", path):
        path = re.sub(rf"\$(\{{{name}\}}|{name}\b)", env.get(name, "").replace("\\", r"\\"), path)
    if path == "~" or path.startswith("~/"):
        home = env.get("HOME") or os.path.expanduser("~")
        return Path(home + path[1:])
    return Path(path)


def _is_true(value: str) -> bool:
    return value.strip().upper() in _TRUE


def _is_malformed(token: str) -> bool:
    """Whether it cannot be a token: quotes, spaces or a placeholder nobody filled in."""
    return bool(re.search(r"[\s\"'<>{}$]", token)) or not token.isascii()


def _is_shared(host: Host, file: Path) -> bool:
    """Whether other users of this box can read the file: it and every folder above it."""
    mode = host.mode(file)
    if mode is None or not mode & 0o044:
        return False
    return all(
        (above := host.mode(folder)) is not None and above & 0o011 for folder in file.parents
    )


def _hf_command(host: Host) -> str:
    """How `hf` is typed: by its path where it lies beside the Python but not on the PATH."""
    if host.which("hf"):
        return "hf"
    python = host.python.executable if host.python else sys.executable
    beside = f"{os.path.dirname(python)}/hf"
    return beside if host.exists(beside) else "hf"
