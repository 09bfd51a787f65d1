"""Asks the model hub: everything at once, in threads, within one limit."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

from engine.doctor.facts import HubFacts, ModelFacts, WeightsFacts
from engine.doctor.host import Host, Reply
from engine.doctor.hub import DEFAULT_ENDPOINT, model_folder, read_token

TIMEOUT_S = 3.0
MIRROR = "https://hf-mirror.com"
MODELSCOPE = "https://www.modelscope.cn"
# Small enough to be asked about by everybody, big enough not to be in the repository itself.
WEIGHTS = "openai-community/gpt2/resolve/main/model.safetensors"
# Named by the hub's xet-read-token answer and used for downloads (huggingface_hub#4475,
# xet-core#800); without a path they refuse, and a refusal is an answer.
XET_SERVERS = ("https://cas-server.xethub.hf.co", "https://transfer.xethub.hf.co")
# A hub that has not answered by now is looked for elsewhere.
_PATIENCE_S = 1.0
_HOPS = 3


def ask_hub(known: HubFacts, host: Host, timeout_s: float = TIMEOUT_S) -> HubFacts:
    """Ask within the limit; what has not answered by then counts as no answer.

    Any HTTP answer of the hub counts. The token goes to the hub itself, and with a model named to
    the endpoint that would get it at the download; it is in no result.
    """
    if known.offline:
        return replace(known, model=_cached_model(host))
    if not _has_route(host) and not known.proxies and not _is_near(known.endpoint):
        gone = "there is no network here"
        return replace(known, reachable=False, trouble=gone, model=_cached_model(host))
    questions = _Questions(time.monotonic() + timeout_s * 0.95)
    _ask_all(questions, known, host, timeout_s)
    home = questions.answer("endpoint", min(_PATIENCE_S, timeout_s / 2))
    if home is None or home.error:
        for address in {MIRROR, MODELSCOPE, DEFAULT_ENDPOINT} - {known.endpoint}:
            questions.put(address, _head(host, address, timeout_s))
        if "certificate" in (home.error if home else ""):
            # Encrypted answers are refused where the clock is wrong; the others carry the time.
            plain = re.sub(r"^https:", "http:", known.endpoint)
            questions.put("plain", lambda: host.ask("HEAD", plain, timeout_s=timeout_s))
    return _facts(known, host, questions.all(), timeout_s)


@dataclass(frozen=True, slots=True)
class _Weights:
    first: Reply
    last: Reply
    server: str


class _Questions:
    """Named questions in daemon threads, answered until a moment; late ones are left behind."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._answers: dict[str, Reply | _Weights] = {}
        self._threads: dict[str, threading.Thread] = {}

    def put(self, name: str, question: Callable[[], Reply | _Weights]) -> None:
        def ask() -> None:
            try:
                self._answers[name] = question()
            except Exception as error:  # an address that is none, in ways nobody can list
                self._answers[name] = Reply(error=str(error) or type(error).__name__)

        self._threads[name] = threading.Thread(target=ask, daemon=True)
        self._threads[name].start()

    def answer(self, name: str, within_s: float) -> Reply | None:
        self._threads[name].join(within_s)
        found = self._answers.get(name)
        return found if isinstance(found, Reply) else None

    def all(self) -> dict[str, Reply | _Weights]:
        for thread in self._threads.values():
            thread.join(max(0.0, self._until - time.monotonic()))
        return dict(self._answers)


def _ask_all(questions: _Questions, known: HubFacts, host: Host, timeout_s: float) -> None:
    endpoint = known.endpoint
    token = "" if known.token_malformed else read_token(host)

    def head(url: str, token: str = "") -> Callable[[], Reply]:
        return lambda: host.ask("HEAD", url, token=token, timeout_s=timeout_s)

    questions.put("endpoint", head(endpoint))
    questions.put("weights", lambda: _follow(host, endpoint, timeout_s))
    if token and _may_be_told(endpoint):
        whose = f"{endpoint}/api/whoami-v2"
        questions.put("whoami", lambda: host.ask("GET", whose, token=token, timeout_s=timeout_s))
    if not known.xet_off:
        for server in XET_SERVERS:
            questions.put(server, head(server))
    if host.model:
        config = f"{endpoint}/{host.model}/resolve/main/config.json"
        questions.put("model", head(config))
        if token:
            questions.put("model with token", head(config, token))


def _head(host: Host, url: str, timeout_s: float) -> Callable[[], Reply]:
    return lambda: host.ask("HEAD", url, timeout_s=timeout_s)


def _follow(host: Host, endpoint: str, timeout_s: float) -> _Weights:
    """Where the hub sends for a large file, as far as the first server that is not the hub."""
    url = f"{endpoint}/{WEIGHTS}"
    first = reply = host.ask("HEAD", url, timeout_s=timeout_s)
    home = urlsplit(url).hostname
    for _ in range(_HOPS):
        if reply.status not in (301, 302, 303, 307, 308) or not reply.headers.get("location"):
            break
        url = urljoin(url, reply.headers["location"])
        reply = host.ask("HEAD", url, timeout_s=timeout_s)
        if urlsplit(url).hostname != home:
            return _Weights(first, reply, urlsplit(url).hostname or "")
        first = reply
    return _Weights(first, reply, "")


def _facts(
    known: HubFacts, host: Host, answers: Mapping[str, Reply | _Weights], timeout_s: float
) -> HubFacts:
    def reply(name: str) -> Reply | None:
        found = answers.get(name)
        return found if isinstance(found, Reply) else None

    late = Reply(error=f"no answer within {timeout_s:g} s", seconds=timeout_s)
    home = reply("endpoint") or late
    whoami, weights = reply("whoami"), answers.get("weights")
    others = {DEFAULT_ENDPOINT, MIRROR, MODELSCOPE} - {known.endpoint}
    dated = home if home.headers.get("date") else reply("plain") or home
    asked = known.has_token and not known.token_malformed and _may_be_told(known.endpoint)
    return replace(
        known,
        reachable=not home.error,
        trouble=home.error,
        state=home.status,
        elapsed_s=home.seconds,
        token_state=(whoami.status if whoami else 0) if asked else None,
        clock_ahead_s=_ahead(host, dated),
        weights=_weights(weights) if isinstance(weights, _Weights) else None,
        xet_trouble=_xet_trouble([(s, reply(s)) for s in XET_SERVERS]),
        others=tuple(sorted(o for o in others if (r := reply(o)) and r.status)),
        model=_model(host, reply("model"), reply("model with token")),
    )


def _weights(found: _Weights) -> WeightsFacts | None:
    if found.first.error:
        return None
    return WeightsFacts(
        host=found.server,
        trouble=found.last.error if found.server else "",
        is_xet="x-xet-hash" in found.first.headers or "xet" in found.server,
    )


def _xet_trouble(replies: list[tuple[str, Reply | None]]) -> str:
    for server, reply in replies:
        if reply is not None and (reply.error or reply.status >= 500):
            said = reply.error or f"HTTP {reply.status}"
            return f"{urlsplit(server).hostname}: {said}"
    return ""


def _model(host: Host, open_: Reply | None, own: Reply | None) -> ModelFacts | None:
    found = _cached_model(host)
    if found is None:
        return None
    told = own if own and own.status else open_
    return replace(
        found,
        anonymous=open_.status if open_ else 0,
        with_token=own.status if own else None,
        code=told.headers.get("x-error-code", "") if told else "",
        said=told.headers.get("x-error-message", "")[:200] if told else "",
    )


def _cached_model(host: Host) -> ModelFacts | None:
    """The model that was named, as the cache has it; None without one."""
    if not host.model:
        return None
    snapshots = f"{model_folder(host.env, host.model)}/snapshots"
    return ModelFacts(host.model, cached=bool(host.names(snapshots)))


def _ahead(host: Host, reply: Reply) -> float | None:
    """Seconds the box's clock is before the server's, None where either is not known."""
    if not reply.headers.get("date") or (host.is_recorded and host.clock is None):
        return None
    from email.utils import parsedate_to_datetime

    try:
        return host.now() - parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _has_route(host: Host) -> bool:
    """Whether any network but the loopback is connected; yes where the kernel does not say."""
    four, six = host.text("/proc/net/route"), host.text("/proc/net/ipv6_route")
    if not four and not six:
        return True
    named = [line.split() for line in four.splitlines()[1:]]
    if any(len(words) > 1 and words[0] != "lo" for words in named):
        return True
    routes = [line.split() for line in six.splitlines()]
    return any(
        len(words) == 10 and words[9] != "lo" and words[0][:2] not in ("fe", "ff")
        for words in routes
    )


def _may_be_told(endpoint: str) -> bool:
    """Whether the token may be shown just to learn whose it is: to the hub, not to mirrors."""
    return host_of(endpoint) == host_of(DEFAULT_ENDPOINT) or _is_near(endpoint)


def _is_near(endpoint: str) -> bool:
    return host_of(endpoint) in ("localhost", "127.0.0.1", "::1")


def host_of(url: str) -> str:
    """The host of an address, empty where there is none to be found."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
