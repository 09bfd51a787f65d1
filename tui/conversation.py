"""A conversation with the base, the tuned model, or both: frozen, and what the models are sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from engine.evaluate.session import Done, Which

Mode = Literal["tuned", "base", "both"]
MODES: tuple[Mode, ...] = ("tuned", "base", "both")
# waiting: asked, nothing came yet; open: words come; whole: the model ended it itself
State = Literal["waiting", "open", "whole", "cut", "cancelled", "refused", "lost"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One model's answer; `limit` is the most tokens it may have, `hint` belongs to a refusal."""

    which: Which
    limit: int
    state: State = "waiting"
    text: str = ""
    hint: str = ""
    num_tokens: int = 0
    elapsed_s: float = 0.0

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "open")

    @property
    def counts(self) -> bool:
        """Whether it belongs to what the models are told was said."""
        return self.state in ("whole", "cut") or (self.state == "cancelled" and bool(self.text))

    def more(self, text: str) -> Reply:
        """With the next words."""
        return replace(self, state="open", text=self.text + text)

    def done(self, said: Done) -> Reply:
        """As the session closed it."""
        ended: State = "cancelled" if said.cancelled else "cut" if said.hit_limit else "whole"
        return replace(
            self,
            state=ended,
            text=said.text,
            num_tokens=said.num_tokens,
            elapsed_s=said.elapsed_s,
        )


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and what one or both models answered."""

    question: str
    replies: tuple[Reply, ...]

    @property
    def current(self) -> int | None:
        """The place of the reply that is still to come or comes now."""
        return next((n for n, reply in enumerate(self.replies) if not reply.is_over), None)


@dataclass(frozen=True, slots=True)
class Conversation:
    """Exchanges in order; `system` is a system prompt of the row a sample question came from."""

    exchanges: tuple[Exchange, ...] = field(default=())
    system: str = ""

    @property
    def last(self) -> Exchange | None:
        return self.exchanges[-1] if self.exchanges else None

    def begin(self, question: str, mode: Mode, limit: int) -> Conversation:
        """With one more question, nothing answered yet; `both` is base first, then tuned."""
        asked: tuple[Which, ...] = ("base", "tuned") if mode == "both" else (mode,)
        exchange = Exchange(question, tuple(Reply(which, limit) for which in asked))
        return replace(self, exchanges=(*self.exchanges, exchange))

    def change(self, place: int, reply: Reply) -> Conversation:
        """With another state of one reply of the last exchange."""
        last = self.exchanges[-1]
        replies = (*last.replies[:place], reply, *last.replies[place + 1 :])
        return replace(self, exchanges=(*self.exchanges[:-1], replace(last, replies=replies)))

    def messages(self) -> list[dict[str, str]]:
        """What a model is sent to answer the last question.

        Where both models answered, the tuned one's words are what was said. Questions that got no
        answer are left out.
        """
        sent = [{"role": "system", "content": self.system}] if self.system else []
        for exchange in self.exchanges[:-1]:
            spoken = [reply for reply in exchange.replies if reply.counts]
            if spoken:
                sent.append({"role": "user", "content": exchange.question})
                sent.append({"role": "assistant", "content": spoken[-1].text})
        if self.exchanges:
            sent.append({"role": "user", "content": self.exchanges[-1].question})
        return sent
