"""Keys and passwords: they must not be trained, because models give them back."""

from __future__ import annotations

import math
import re
from collections import Counter

from engine.data.quality.check import Hit, RowCheck, View, holds_any

_KEYS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "a private key",
        # With a body: manuals show the header alone, or dots under it.
        re.compile(
            r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|[\w-]+: [^\n]*\n)*"
            r"[A-Za-z0-9+/=]{20}(?:[A-Za-z0-9+/=\s]|\\n){20}"
        ),
    ),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA|AGPA|AROA|AIDA)[A-Z0-9]{16}\b")),
    (
        "a GitHub token",
        re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}"),
    ),
    ("a GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}")),
    ("an API key", re.compile(r"\bsk-(?:proj-|ant-|live-|or-)?[A-Za-z0-9_-]{20,}")),
    ("a Stripe key", re.compile(r"\b[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}")),
    ("a Slack token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}")),
    ("a Slack address", re.compile(r"hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{16,}")),
    ("a Google key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b")),
    ("a Hugging Face token", re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")),
    ("an npm token", re.compile(r"\bnpm_[A-Za-z0-9]{36}\b")),
    ("a PyPI token", re.compile(r"\bpypi-AgEI[A-Za-z0-9_-]{40,}")),
    ("a SendGrid key", re.compile(r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{30,}")),
    ("a Telegram token", re.compile(r"\b\d{8,10}:AA[A-Za-z0-9_-]{32,}")),
    (
        "a JSON web token",
        re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{10,}"),
    ),
    (
        "a password in an address",
        re.compile(r"\b[a-z][a-z0-9+]{2,12}://[^\s:/@]{1,40}:([^\s:/@]{4,60})@[\w.-]+"),
    ),
)
# One of these is in every key that the patterns above find.
_GUARDS = (
    *(
        "-----B",
        "AKIA",
        "ASIA",
        "AGPA",
        "AROA",
        "AIDA",
        "AIza",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
    ),
    *(
        "github_pat",
        "glpat-",
        "sk-",
        "k_live",
        "k_test",
        "xox",
        "hooks.",
        "hf_",
        "npm_",
        "pypi-",
        "SG.",
    ),
    *(":AA", "eyJ", "://"),
)
_NAMES = ("secret", "token", "passw", "key", "credential", "密码", "口令", "密钥")
_ASSIGNED = re.compile(
    r"(?:^|[\s\"'{,;(])(?:export\s+)?([A-Za-z][\w.-]{0,40}?(?:secret|token|passwd|password|api[_-]?key|apikey|"
    r"access[_-]?key|private[_-]?key|credential|密码|口令|密钥)[\w-]{0,20})[\"']?\s*(?::=|=|:|：|是|is)\s*"
    r"[\"']?([^\s\"',;，。]{8,120})",
    re.I,
)
_BARE = re.compile(
    r"(?:^|[\s\"'{,;(])((?:secret|token|passwd|password|api[_ -]?key|access[_ -]?key|密码|口令|密钥))"
    r"[\"']?\s*(?:=|:|：|是|为|is)\s*[\"']?([^\s\"',;，。]{8,120})",
    re.I,
)
_EXAMPLE = re.compile(
    r"example|your|xxx|\*\*\*|placeholder|changeme|dummy|sample|test|foo|bar|<|>|^\{|^\$|\$\{|\.\.\.|1234|abcd|"
    r"password|passw0rd|secret|none|null|true|false|getenv|environ|input|config|hash|random|process\.|os\.",
    re.I,
)


# What people type where a key should stand, and the payload that the pages on JWT show.
_SERIES = re.compile(r"123456789|abcdefgh|0123456|987654321|qwerty|(?:abc123){2}")
_SAMPLE_TOKEN = "eyJzdWIiOiIxMjM0NTY3ODkwIi"


def _secret(view: View) -> Hit | None:
    for index, message in enumerate(view.row.messages):
        text = message.content
        if holds_any(text, _GUARDS):
            for name, pattern in _KEYS:
                found = pattern.search(text)
                if found and not _is_example(found.group(found.lastindex or 0), name):
                    return Hit(index, *found.span(), name)
        hit = _assigned(text, index) if holds_any(view.lowered[index], _NAMES) else None
        if hit is not None:
            return hit
    return None


def _assigned(text: str, index: int) -> Hit | None:
    for pattern in (_ASSIGNED, _BARE):
        for found in pattern.finditer(text):
            value = found.group(2).rstrip(".)]}")
            if _SAMPLE_TOKEN in value or _SERIES.search(value.lower()):
                continue
            if _is_random(value) and not _EXAMPLE.search(value):
                return Hit(index, *found.span(2), f"a value for {found.group(1)[:30]}")
    return None


def _is_example(value: str, name: str) -> bool:
    """Keys in manuals spell their nature out or repeat one character."""
    if name == "a private key":
        return False
    if name == "a password in an address":
        return not _is_password(value)
    body = value.lower()
    if _SERIES.search(body) or _SAMPLE_TOKEN in value:
        return True
    if "example" in body or "your" in body or "xxxx" in body or "..." in body:
        return True
    return len(set(body[-12:])) < 5


def _is_password(value: str) -> bool:
    """Not one of the words that stand for a password in manuals, such as `user:pass@host`."""
    kinds = sum(any(test(c) for c in value) for test in (str.isalpha, str.isdigit, _is_sign))
    return kinds >= 2 and not _EXAMPLE.search(value) and "pass" not in value.lower()


def _is_random(value: str) -> bool:
    """Mixed characters of high entropy, as no word or sentence has."""
    kinds = sum(
        any(test(c) for c in value) for test in (str.islower, str.isupper, str.isdigit, _is_sign)
    )
    if not value.isascii() or kinds < 3 or len(value) < 8 or value.startswith(("http", "/", "(")):
        return False
    counts = Counter(value)
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return entropy >= (2.7 if len(value) < 16 else 3.3)


def _is_sign(character: str) -> bool:
    return not character.isalnum()


CHECKS = (
    RowCheck(
        "data.secrets",
        "fail",
        "had what looks like a secret (a key, a token, a password)",
        "A trained model gives them to whoever asks; assume that they are known from then on.",
        "Remove them, and have them revoked where they were real.",
        _secret,
    ),
)
