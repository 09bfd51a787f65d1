"""The hub's token: whether there is one, where, and whether it is taken; never what it is."""

from __future__ import annotations

from engine.doctor.facts import Box, HubFacts
from engine.findings import Finding

_PRIVATE = "Gated models, such as Llama and Gemma, cannot be fetched without it."


def check_token(box: Box) -> list[Finding]:
    """Whether gated models can be asked for."""
    hub = box.hub
    if hub.has_token:
        return [_judge(hub)]
    if hub.model and hub.reachable and hub.model.anonymous == 401:
        return []  # named by the check of the model
    if hub.token_elsewhere:
        message = (
            f"{hub.token_elsewhere_name} is set for this box but not in this shell "
            f"(it stands in {hub.token_elsewhere})."
        )
        why = f"Shells opened over SSH do not inherit what the template sets. {_PRIVATE}"
        fix = load_token(hub)
        return [Finding("hub.token-elsewhere", "warn", message, fix, why=why, safe=True)]
    if hub.token_misnamed:
        message = f"{hub.token_misnamed} is set, which the hub's library does not read."
        fix = f'export HF_TOKEN="${hub.token_misnamed}"'
        return [Finding("hub.token-misnamed", "warn", message, fix, why=_PRIVATE, safe=True)]
    message = "No hub token is set; gated models need one."
    return [Finding("hub.no-token", "info", message, f"{hub.hf} auth login")]


def check_token_file(box: Box) -> list[Finding]:
    """A saved token that other users of this box can read."""
    hub = box.hub
    if not hub.token_shared:
        return []
    message = "Other users of this box can read the file of the hub token."
    why = "Whoever has it can read and change what its account can."
    fix = f"chmod 600 {hub.token_saved_in}"
    return [Finding("hub.token-shared", "warn", message, fix, hub.token_saved_in, why, True)]


CHECKS = (check_token, check_token_file)


def load_token(hub: HubFacts) -> str:
    """The command that takes the token over from the template without showing it."""
    name, file = hub.token_elsewhere_name, hub.token_elsewhere
    if file.endswith("/environ"):
        return f"export HF_TOKEN=\"$(tr '\\0' '\\n' < {file} | sed -n 's/^{name}=//p')\""
    pick = f"sed -n 's/^ *\\(export  *\\)\\{{0,1\\}}{name}=//p' {file} | tail -n 1 | tr -d '\"'"
    return f'export HF_TOKEN="$({pick} | tr -d "\'")"'


def _judge(hub: HubFacts) -> Finding:
    place = hub.token_from
    if hub.token_malformed:
        message = "What is set as the hub token cannot be one: it holds spaces, quotes or braces."
        why = "The hub refuses it, and with it open models too."
        return Finding("hub.token-malformed", "warn", message, _again(hub), place, why)
    if hub.token_state == 401:
        message = "The hub refuses this token (401): it is wrong, has expired or was revoked."
        why = "It is sent with every request and refused with it, so open models fail too."
        return Finding("hub.token-invalid", "warn", message, _again(hub), place, why)
    if hub.token_state == 200:
        return Finding("hub.token", "ok", "A hub token is set and valid.", where=place)
    return Finding("hub.token", "ok", "A hub token is set; it was not checked.", where=place)


def _again(hub: HubFacts) -> str:
    """A token in the environment goes before the saved one, so it must go first."""
    if hub.token_from == hub.token_saved_in:
        return f"{hub.hf} auth login --force"
    if hub.token_saved_in:
        return f"unset {hub.token_from}"
    return f"unset {hub.token_from} && {hub.hf} auth login"
