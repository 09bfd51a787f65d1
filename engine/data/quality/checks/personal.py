"""Personal data with a form that can be checked: addresses, numbers of phones, cards, accounts."""

from __future__ import annotations

import re

from engine.data.quality.check import Hit, RowCheck, View

_MAIL = re.compile(r"\b[A-Za-z0-9][A-Za-z0-9._%+-]{0,60}@(?:[A-Za-z0-9-]{1,40}\.)+[A-Za-z]{2,12}\b")
_EXAMPLE_HOSTS = re.compile(
    r"@(?:[\w.-]*\.)?(?:example|test|invalid|localhost|domain|company|yourcompany|yourdomain|"
    r"email|mail|website|abc|xyz|acme|business|sample|mycompany|companyname)\.(?:com|org|net|edu|co|"
    r"io|gov|test|invalid)\b|@(?:[\w.-]*\.)?example\b",
    re.I,
)
_EXAMPLE_NAMES = re.compile(
    r"^(?:info|support|contact|sales|admin|hello|help|team|hr|jobs|careers|press|service|noreply|"
    r"no-reply|webmaster|customer\w*|user\w*|name|you|your\w*|my\w*|someone|email|test\w*|example|git|"
    r"foo|bar|abc|john\.?doe|jane\.?doe|j\.?doe)@",
    re.I,
)
_CARD = re.compile(r"(?<![\d.])(?:\d[ -]?){12,18}\d(?![\d.])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_CHINESE_ID = re.compile(
    r"(?<!\d)[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)"
)
_CHINESE_MOBILE = re.compile(r"(?<![\d.])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?![\d.])")
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]\d{2,4}){2,4}"
    r"|\(\d{3}\) ?\d{3}[-. ]\d{4}|\d{3}-\d{3}-\d{4}|\d{3}\.\d{3}\.\d{4}|\+\d{10,14})(?![\w.-]*\d)"
)
_SSN = re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_PUBLIC_IP = re.compile(
    r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])"
)
_DIGIT = re.compile(r"\d")
# The shortest of the numbers looked for has nine digits.
_DIGITS = re.compile(r"(?:\d[ .()-]{0,3}){7}\d|[A-Z]{2}\d{2}|\d\.\d{1,3}\.\d")
_FICTION = re.compile(
    r"\b555[-. ]?01\d\d\b|\b555[-. ]\d{4}\b|123[-. ]?456|000[-. ]?000|111[-. ]?111|987[-. ]?654|"
    r"(?<!\d)1?[-. ]?8(?:00|88|77|66|55|44|33)[-. ]\d{3}[-. ]"
)
_MADE_UP_MOBILE = re.compile(r"1[3-9]800138000|12345678$|(\d)\1{7}")
_ABOUT_NUMBERS = re.compile(
    r"\bregex|\bregular expression|\bvalidat|\bformat\b|\bpattern|\bluhn|\bchecksum|\bisbn|\bserial|"
    r"\bip address|\bsubnet|\bnetwork|\bserver|\bping|\bdns\b|\bfirewall|正则|校验|验证|格式|子网|网络|服务器",
    re.I,
)


def _personal(view: View) -> Hit | None:
    for index, message in enumerate(view.row.messages):
        text = message.content
        hit = _mail(text, index) if "@" in text else None
        if hit is None and _DIGIT.search(text) and _DIGITS.search(text):
            hit = _numbers(text, index)
        if hit is not None and not _ABOUT_NUMBERS.search(view.prompt):
            return hit
    return None


def _mail(text: str, index: int) -> Hit | None:
    for found in _MAIL.finditer(text):
        address = found.group()
        if _EXAMPLE_HOSTS.search(address) or _EXAMPLE_NAMES.search(address):
            continue
        return Hit(index, *found.span(), "an e-mail address")
    return None


def _numbers(text: str, index: int) -> Hit | None:
    for found in _CHINESE_ID.finditer(text):
        if _is_chinese_id(found.group()):
            return Hit(index, *found.span(), "a Chinese identity number")
    for found in _CARD.finditer(text):
        digits = re.sub(r"\D", "", found.group())
        if (
            13 <= len(digits) <= 19
            and digits[0] in "23456"
            and len(set(digits)) > 3
            and _luhn(digits)
        ):
            return Hit(index, *found.span(), "a card number")
    for found in _IBAN.finditer(text):
        if _is_iban(found.group()):
            return Hit(index, *found.span(), "an IBAN")
    for pattern, name in (
        (_SSN, "a social security number"),
        (_CHINESE_MOBILE, "a phone number"),
        (_PHONE, "a phone number"),
    ):
        for found in pattern.finditer(text):
            digits = re.sub(r"\D", "", found.group())
            if len(set(digits)) < 4:
                continue
            if pattern is _CHINESE_MOBILE and _MADE_UP_MOBILE.search(digits):
                continue
            if pattern is _PHONE and (_FICTION.search(found.group()) or not 9 <= len(digits) <= 15):
                continue
            if pattern is _SSN and not re.search(r"ssn|social security|社保", text, re.I):
                continue
            return Hit(index, *found.span(), name)
    return _address(text, index)


def _address(text: str, index: int) -> Hit | None:
    if text.count(".") < 3 or not re.search(r"\bip\b|地址|logged|login|client|from\b", text, re.I):
        return None
    for found in _PUBLIC_IP.finditer(text):
        parts = [int(part) for part in found.group().split(".")]
        private = parts[0] in (0, 10, 127, 169, 255) or parts[0] >= 224
        private = private or (parts[0] == 172 and 16 <= parts[1] <= 31) or parts[:2] == [192, 168]
        documented = parts[:3] in ([192, 0, 2], [198, 51, 100], [203, 0, 113])
        known = found.group() in ("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9")
        version = max(parts) < 20
        if not (private or documented or known or version):
            return Hit(index, *found.span(), "an IP address")
    return None


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def _is_chinese_id(text: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], weights, strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


CHECKS = (
    RowCheck(
        "data.personal",
        "warn",
        "had what looks like personal data (addresses, numbers of phones, cards or accounts)",
        "A model repeats what it was trained on, to anyone.",
        "Replace them by made-up ones, or remove these rows.",
        _personal,
    ),
)
