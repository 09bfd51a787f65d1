"""Takes out of a text what names a person, a machine or an account, the same way each time.

What is taken out is replaced by something of the same kind, so that a path stays a path and two
mentions of one card stay the same card.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from engine.doctor.host import Host
from engine.doctor.hub import read_token

REMOVED = "removed"
SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|_KEY$|^KEY$|COOKIE", re.I
)
_TOKENS = re.compile(
    r"\b(?:hf|api_org|ghp|gho|ghs|github_pat|rpa|r8)_[A-Za-z0-9_-]{6,}|\bglpat-[\w-]{6,}"
    r"|\bsk-[A-Za-z0-9_-]{8,}|\bAKIA[A-Z0-9]{12,}|\bxox[a-z]-[A-Za-z0-9-]{8,}"
    r"|(?<=[Bb]earer )\S+|\beyJ[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+)*"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]+")
_URL_HOST = re.compile(r"(?<=://)(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)")
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]*\w")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}([-_])(?:[0-9a-fA-F]{4}\1){3}[0-9a-fA-F]{12}\b")
_HEX = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b")
_MAC = re.compile(r"\b(?!02:00:00:00:00:)(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b")
# Not the numbers of a version, which may be four: `==9.10.2.21`, `Version: 9.10.2.21`.
_IPV4 = re.compile(r"(?<![\w.=<>~-])(?<!ersion: )(?<!ersion )(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:.])")
_SERIAL = re.compile(r"(?i)(\bserial(?: number)?\s*[:=]?\s+)(?=\S*\d)\S+")
_HOMES = re.compile(r"(/home/|/Users/)([^/\s:;,\"']+)")
_SHARES = re.compile(r"(?<= )(?:[A-Za-z0-9_.-]+(?=:/)|(?<= )//[A-Za-z0-9_.-]+(?=/))")
# Public services: which one was asked is what a reader of the report must know.
_PUBLIC = (
    "huggingface.co",
    "hf.co",
    "hf-mirror.com",
    "modelscope.cn",
    "modelscope.ai",
    "github.com",
    "nvidia.com",
    "pytorch.org",
    "runpod.io",
    "vast.ai",
    "example",
    "invalid",
    "localhost",
)
# Users and hosts that every second image has; they name nobody.
_NOBODY = frozenset(
    (
        *("root", "user", "ubuntu", "debian", "admin", "jovyan", "coder", "runner", "nobody"),
        *("localhost", "localhost.localdomain", "container", "docker", "host", "node", "gpu"),
        *("server", "linux", "none", "colab", "kaggle", "workspace", "data", "home", "app"),
    )
)
_USER_VARIABLES = ("USER", "LOGNAME", "SUDO_USER", "USERNAME")
_HOST_VARIABLES = ("HOSTNAME", "HOST", "AutoDLContainerUUID", "CONTAINER_NAME", "NODE_NAME")
_ID_VARIABLES = (
    "RUNPOD_POD_ID",
    "RUNPOD_DC_ID",
    "RUNPOD_VOLUME_ID",
    "VAST_CONTAINERLABEL",
    "CONTAINER_ID",
    "CONTAINER_API_KEY",
    "KAGGLE_CONTAINER_NAME",
)


class Redactor:
    """Replaces what it was told and what looks like an address, an id or a secret.

    Secrets are removed wherever they stand; `hosts`, `users` and `ids` as whole words.
    """

    def __init__(
        self,
        secrets: Iterable[str] = (),
        hosts: Iterable[str] = (),
        users: Iterable[str] = (),
        ids: Iterable[str] = (),
    ) -> None:
        self._secrets = sorted({s for s in secrets if len(s) >= 6}, key=len, reverse=True)
        self._words = [
            *_words("host", hosts, r"(?<![\w-]){}(?![\w-])"),
            *_words("id", ids, r"(?<![A-Za-z0-9]){}(?![A-Za-z0-9])"),
            *_words("user", users, r"(?<=[/~ @]){}(?![\w-])"),
        ]
        self._seen: dict[str, dict[str, int]] = {}

    def text(self, text: str) -> str:
        """The text without them; doing it twice changes nothing more."""
        for secret in self._secrets:
            text = text.replace(secret, REMOVED)
        text = _CREDENTIALS.sub("", _QUERY.sub(r"\1", _TOKENS.sub(REMOVED, text)))
        text = _EMAIL.sub(REMOVED, _SERIAL.sub(rf"\g<1>{REMOVED}", text))
        for word, kind, pattern in self._words:
            text = pattern.sub(self._name(kind, word), text) if pattern.search(text) else text
        text = _HOMES.sub(self._home, text)
        text = _URL_HOST.sub(self._url_host, text)
        text = _UUID.sub(self._uuid, text)
        text = _HEX.sub(lambda m: f"{self._number('hex', m[0]):0{len(m[0])}x}", text)
        text = _MAC.sub(lambda m: f"02:00:00:00:00:{self._number('mac', m[0]):02x}", text)
        return _IPV6.sub(self._address, _IPV4.sub(self._address, text))

    def mounts(self, text: str) -> str:
        """The same for a table of mounts, whose sources name file servers."""
        return self.text(_SHARES.sub(lambda m: self._name("host", m[0].lstrip("/")), text))

    def _name(self, kind: str, word: str) -> str:
        if re.fullmatch(rf"{kind}(-\d+)?", word):
            return word
        number = self._number(kind, word)
        return kind if kind == "user" and number == 1 else f"{kind}-{number}"

    def _number(self, kind: str, word: str) -> int:
        seen = self._seen.setdefault(kind, {})
        if word.strip("0").isdigit() and kind in ("hex", "uuid") and len(word.strip("0")) < 4:
            return int(word.replace("-", "").replace("_", "") or "0", 16)
        return seen.setdefault(word, len(seen) + 1)

    def _home(self, match: re.Match[str]) -> str:
        name = match[2]
        if name.lower() in _NOBODY or re.fullmatch(r"user(-\d+)?", name):
            return match[0]
        return match[1] + self._name("user", name)

    def _url_host(self, match: re.Match[str]) -> str:
        host = match[0].lower()
        if _is_address(host.strip("[]")) or host.endswith(".invalid"):
            return match[0]
        if any(host == public or host.endswith(f".{public}") for public in _PUBLIC):
            return match[0]
        return f"{self._name('host', host)}.invalid"

    def _uuid(self, match: re.Match[str]) -> str:
        dash = match[1]
        plain = match[0].lower().replace("_", "-")
        if plain.startswith("00000000-0000-0000-0000-"):
            return match[0]
        number = self._number("uuid", plain)
        return f"00000000-0000-0000-0000-{number:012d}".replace("-", dash)

    def _address(self, match: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            return match[0]
        if address.is_loopback or address.is_unspecified or address in _DOCUMENTED[address.version]:
            return match[0]
        number = self._number("ip", str(address))
        return f"192.0.2.{number % 256}" if address.version == 4 else f"2001:db8::{number:x}"


_DOCUMENTED = {4: ipaddress.ip_network("192.0.2.0/24"), 6: ipaddress.ip_network("2001:db8::/32")}


def redactor_for(host: Host) -> Redactor:
    """One that knows the names, ids and secrets of a box."""
    env = host.env
    homes = re.findall(r"/(?:home|Users)/([^/]+)", env.get("HOME", ""))
    hosts = [env[name] for name in env if name in _HOST_VARIABLES or name.endswith("HOSTNAME")]
    hosts += [host.text(file).strip() for file in ("/proc/sys/kernel/hostname", "/etc/hostname")]
    secrets = [env.get(name, "") for name in env if SECRET_NAME.search(name)]
    proxies = (env.get(name, "") for name in env if name.lower().endswith("_proxy"))
    secrets += [urlsplit(one).password or "" for one in proxies if "@" in one]
    return Redactor(
        secrets=[*secrets, read_token(host)],
        hosts=[*hosts, *(name.partition(".")[0] for name in hosts)],
        users=[*(env.get(name, "") for name in _USER_VARIABLES), *homes],
        ids=[env.get(name, "") for name in _ID_VARIABLES],
    )


def _words(kind: str, words: Iterable[str], pattern: str) -> list[tuple[str, str, re.Pattern[str]]]:
    known = {word for word in words if len(word) >= 3 and word.lower() not in _NOBODY}
    ordered = sorted(known, key=len, reverse=True)
    return [(word, kind, re.compile(pattern.format(re.escape(word)))) for word in ordered]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
