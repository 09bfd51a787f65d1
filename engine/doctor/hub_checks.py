"""Whether models can be fetched from here, and the way round what stands between."""

from __future__ import annotations

import shlex

from engine.doctor.facts import Box, HubFacts, ModelFacts
from engine.doctor.hub import DEFAULT_ENDPOINT
from engine.doctor.hub_network import MIRROR, MODELSCOPE, host_of
from engine.doctor.token_checks import CHECKS as TOKEN_CHECKS
from engine.doctor.token_checks import load_token
from engine.findings import Finding
from engine.setup.installed import older, release

# Servers of signed addresses bear with a quarter of an hour at most; certificates with none.
MAX_CLOCK_ERROR_S = 300.0
# Its first versions lost or stalled downloads (huggingface_hub#3036, xet-core#238).
MIN_XET = "1.1.0"
_USE_MIRROR = f"export HF_ENDPOINT={MIRROR} HF_HUB_DISABLE_XET=1"
_NO_XET = "export HF_HUB_DISABLE_XET=1"


def check_clock(box: Box) -> list[Finding]:
    """The clock of this box against the server's."""
    ahead = box.hub.clock_ahead_s
    if ahead is None or abs(ahead) <= MAX_CLOCK_ERROR_S:
        return []
    message = f"The clock of this box is {_span(abs(ahead))} {'ahead' if ahead > 0 else 'behind'}."
    why = (
        "Certificates and signed download addresses are refused by the wrong time: downloads, "
        "logins and uploads fail, and the times of runs are wrong."
    )
    fix = "A container cannot set its clock: tell the provider, or change the host."
    if not box.platform.is_container:
        sudo = "" if box.platform.is_root else "sudo "
        fix = f"{sudo}timedatectl set-ntp true"
    return [Finding("hub.clock", "warn", message, fix, why=why)]


def check_reachable(box: Box) -> list[Finding]:
    """Whether the hub answers; local models work without it."""
    hub = box.hub
    if hub.offline:
        return [_offline(hub)]
    if hub.reachable is None:
        message = "The hub was not asked."
        return [Finding("hub.not-asked", "skip", message, where=hub.endpoint)]
    if not hub.reachable and check_clock(box):
        return []  # the clock is the cause
    if not hub.reachable:
        return [_unreachable(box)]
    if hub.state == 407:
        message = f"The proxy named by {_names(hub)} asks for a name and a password."
        fix = f"export {hub.proxies[0] if hub.proxies else 'https_proxy'}=http://NAME:PASSWORD@HOST:PORT"
        return [Finding("hub.proxy", "warn", message, fix, why=_ONLY_LOCAL)]
    if hub.state >= 500:
        message = f"The hub answers with HTTP {hub.state}: it is in trouble itself."
        fix = "Try again in some minutes; models on this disk can be used meanwhile."
        return [Finding("hub.in-trouble", "warn", message, fix, hub.endpoint, _ONLY_LOCAL)]
    through = f", through the proxy of {_names(hub)}" if hub.proxies else ""
    message = f"The hub answered in {hub.elapsed_s:.1f} s{through}."
    return [Finding("hub", "ok", message, where=hub.endpoint)]


def check_weights(box: Box) -> list[Finding]:
    """Whether the server of large files answers; the hub itself may while that one is blocked."""
    weights = box.hub.weights
    if not box.hub.reachable or box.hub.offline or weights is None or not weights.trouble:
        return []
    message = (
        f"The hub answers, but {weights.host}, where it sends for weights, does not "
        f"({weights.trouble})."
    )
    why = "config.json and tokenizers come, the weights never do: downloads hang at 0 %."
    fix = _USE_MIRROR
    if not _is_hub(box.hub) and not box.hub.xet_off:
        fix = _NO_XET
    elif not _is_hub(box.hub):
        fix = _modelscope(box)
    return [
        Finding(
            "hub.weights-blocked",
            "warn",
            message,
            fix,
            weights.host,
            f"{why} Where this does not help, ModelScope has most models: {_modelscope(box)}"
            if fix != _modelscope(box)
            else why,
            safe=fix != _modelscope(box),
        )
    ]


def check_xet(box: Box) -> list[Finding]:
    """Xet storage, from which hf-xet fetches weights past the hub's endpoint."""
    hub = box.hub
    if hub.offline:
        return []
    if hub.xet_off:
        return [Finding("hub.xet-off", "info", "HF_HUB_DISABLE_XET is set: plain downloads.")]
    version = box.stack.installed.get("hf-xet", "")
    if not _is_hub(hub) and version and (hub.weights is None or hub.weights.is_xet):
        message = f"A mirror is set, and hf-xet {version} fetches weights past it."
        why = "Mirrors do not carry the logins and servers of Xet: downloads of weights fail."
        return [Finding("hub.mirror-xet", "warn", message, _NO_XET, hub.endpoint, why, True)]
    is_needed = hub.weights is not None and hub.weights.is_xet and not hub.weights.trouble
    if hub.reachable and hub.xet_trouble and is_needed:
        message = f"The servers of Xet storage do not answer as they should ({hub.xet_trouble})."
        why = "Weights are fetched from them by hf-xet: downloads stall or end in CAS errors."
        return [Finding("hub.xet", "warn", message, _NO_XET, why=why, safe=True)]
    if version and release(version) and older(version, MIN_XET):
        message = f"hf-xet {version} is older than {MIN_XET}."
        why = "Its first versions stall in downloads of weights."
        fix = f"{box.stack.python} -m pip install --upgrade hf-xet"
        return [Finding("hub.xet-old", "warn", message, fix, why=why)]
    return []


def check_transfer(box: Box) -> list[Finding]:
    """HF_HUB_ENABLE_HF_TRANSFER, which older huggingface_hub obeys to the point of failing."""
    installed = box.stack.installed
    if not box.hub.hf_transfer or "hf-transfer" in installed:
        return []
    hub_version = installed.get("huggingface-hub", "")
    ignored = bool(release(hub_version)) and not older(hub_version, "1.0")
    message = "HF_HUB_ENABLE_HF_TRANSFER is set, but hf_transfer is not installed."
    why = (
        f"huggingface_hub {hub_version} passes it over; HF_XET_HIGH_PERFORMANCE took its place."
        if ignored
        else "huggingface_hub before 1.0 refuses every download then; newer ones pass it over."
    )
    fix = "unset HF_HUB_ENABLE_HF_TRANSFER"
    return [Finding("hub.transfer", "warn", message, fix, why=why, safe=True)]


def check_settings_elsewhere(box: Box) -> list[Finding]:
    """Hub settings of the template that a shell opened over SSH did not inherit."""
    hub = box.hub
    if not hub.settings_elsewhere:
        return []
    names = ", ".join(one.partition("=")[0] for one in hub.settings_elsewhere)
    message = f"Set for this box but not in this shell: {names} (in {hub.settings_elsewhere_in})."
    why = "Models would be fetched from, or stored, elsewhere than the template means."
    pairs = (one.partition("=") for one in hub.settings_elsewhere)
    fix = "export " + " ".join(f"{name}={shlex.quote(value)}" for name, _, value in pairs)
    return [Finding("hub.settings-elsewhere", "warn", message, fix, why=why, safe=True)]


def check_model(box: Box) -> list[Finding]:
    """Whether the named model may be fetched: 401 without a token, 403 without its licence."""
    model = box.hub.model
    if model is None:
        return []
    if box.hub.offline or not box.hub.reachable:
        return [_cached(model)] if model.cached else [_not_cached(box, model)]
    state = model.anonymous if model.with_token is None else model.with_token
    page = f"{DEFAULT_ENDPOINT}/{model.name}"
    if state == 0:
        message = f"The hub gave no answer about {model.name}."
        return [Finding("hub.model-not-asked", "skip", message, where=model.name)]
    if 200 <= state < 400:
        gated = " It is gated; this token may read it." if model.anonymous in (401, 403) else ""
        message = f"{model.name} can be fetched.{gated}"
        return [Finding("hub.model", "ok", message, where=page)]
    if state == 404:
        message = f"The hub has no model {model.name}, or it is private and this token may not."
        fix = f"Look its name up on {DEFAULT_ENDPOINT}/models"
        return [Finding("hub.model-missing", "fail", message, fix, model.name, _NO_BASE)]
    if state == 401 and box.hub.token_state == 401:
        return []  # named by the check of the token
    if state == 401 and model.with_token is not None:
        message = f"The hub refuses {model.name} to this token (401)."
        fix = f"{box.hub.hf} auth login --force"
        return [Finding("hub.model-refused", "fail", message, fix, page, _NO_BASE)]
    if state == 401:
        return [_needs_token(box, model, page)]
    if state == 403:
        return [_not_accepted(model, page)]
    message = f"The hub answers HTTP {state} about {model.name}."
    fix = "Try again in some minutes."
    return [Finding("hub.model-refused", "warn", message, fix, page, _NO_BASE)]


CHECKS = (
    check_clock,
    check_model,
    check_reachable,
    check_weights,
    check_xet,
    *TOKEN_CHECKS,
    check_transfer,
    check_settings_elsewhere,
)

_ONLY_LOCAL = "Only models that are on this disk already can be trained until then."
_NO_BASE = "Training starts with the download of this model, so it would not start."


def _offline(hub: HubFacts) -> Finding:
    by = hub.offline_by or "HF_HUB_OFFLINE"
    have = f"{hub.cached_models} in the cache" if hub.cached_models else "none in the cache"
    message = f"{by} is set: only models already on this disk can be used ({have})."
    if hub.cached_models:
        return Finding("hub.offline", "info", message, f"unset {by}")
    why = "No model can be fetched and none is there, so only one in a folder can be trained."
    return Finding("hub.offline", "warn", message, f"unset {by}", why=why, safe=True)


def _unreachable(box: Box) -> Finding:
    hub = box.hub
    message = f"The hub does not answer ({hub.trouble}); only models on this disk can be used."
    safe = True
    if hub.proxies:
        message = f"The hub does not answer through the proxy of {_names(hub)} ({hub.trouble})."
        fix = f"unset {' '.join(hub.proxies)}"
    elif not _is_hub(hub) and DEFAULT_ENDPOINT in hub.others:
        message = f"The mirror of HF_ENDPOINT does not answer ({hub.trouble}), the hub does."
        fix = "unset HF_ENDPOINT"
    elif hub.network_turbo:
        fix, safe = "source /etc/network_turbo", False
    elif MIRROR in hub.others:
        fix = _USE_MIRROR
    elif MODELSCOPE in hub.others:
        fix, safe = _modelscope(box), False
    elif hub.endpoint == MIRROR:
        fix, safe = f"Check the network; another way to models is {_modelscope(box)}", False
    else:
        fix, safe = (
            f"Check the network. Where the hub alone is blocked: {_USE_MIRROR}, "
            f"or take models from ModelScope: {_modelscope(box)}",
            False,
        )
    return Finding("hub.unreachable", "warn", message, fix, hub.endpoint, _ONLY_LOCAL, safe)


def _needs_token(box: Box, model: ModelFacts, page: str) -> Finding:
    message = f"{model.name} is not open: without a token the hub answers 401."
    if "GatedRepo" in model.code:
        message = f"{model.name} is gated, and no token is set."
    elif "RepoNotFound" in model.code:
        message = f"{model.name} does not exist, or is private or gated, and no token is set."
    login = f"{box.hub.hf} auth login"
    if box.hub.token_elsewhere:
        message += f" One stands in {box.hub.token_elsewhere}, which this shell did not inherit."
        login = load_token(box.hub)
    fix = f"Accept the licence on {page}, then run: {login}"
    return Finding("hub.model-needs-token", "fail", message, fix, model.name, _NO_BASE)


def _not_accepted(model: ModelFacts, page: str) -> Finding:
    said = model.said.lower()
    message = f"{model.name} is gated, and the account of this token has no access to it (403)."
    fix = f"Accept the licence with that account on {page}"
    if "fine-grained" in said or "fine grained" in said:
        message = f"{model.name} is gated, and this token may not read gated models (403)."
        fix = (
            "Allow this token to read public gated repositories on "
            f"{DEFAULT_ENDPOINT}/settings/tokens"
        )
    elif "awaiting" in said or "pending" in said:
        message = f"{model.name} is gated, and your request still waits for its authors (403)."
        fix = f"Wait for them (see {page}), or train another model."
    return Finding("hub.model-not-accepted", "fail", message, fix, model.name, _NO_BASE)


def _cached(model: ModelFacts) -> Finding:
    message = f"{model.name} is in the cache, at least in part."
    return Finding("hub.model", "ok", message, where=model.name)


def _not_cached(box: Box, model: ModelFacts) -> Finding:
    message = f"{model.name} is not in the cache, and "
    if not box.hub.offline and check_clock(box):
        message += "the hub could not be asked because of the clock."
        return Finding("hub.model-not-asked", "skip", message, where=model.name)
    if box.hub.offline:
        by = box.hub.offline_by or "HF_HUB_OFFLINE"
        message, fix = f"{message}{by} forbids to ask the hub.", f"unset {by}"
    else:
        message = f"{message}the hub does not answer ({box.hub.trouble})."
        fix = _unreachable(box).fix
    return Finding("hub.model-not-cached", "fail", message, fix, model.name, _NO_BASE)


def _modelscope(box: Box) -> str:
    name = box.hub.model.name if box.hub.model else "ORG/NAME"
    folder = name.rpartition("/")[2]
    return (
        f"{box.stack.python} -m pip install modelscope && "
        f"modelscope download --model {name} --local_dir {folder}"
    )


def _is_hub(hub: HubFacts) -> bool:
    return host_of(hub.endpoint) == host_of(DEFAULT_ENDPOINT)


def _names(hub: HubFacts) -> str:
    return ", ".join(hub.proxies) or "this network"


def _span(seconds: float) -> str:
    for size, word in ((86400 * 365, "years"), (86400, "days"), (3600, "hours")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds / 60:.0f} minutes"
