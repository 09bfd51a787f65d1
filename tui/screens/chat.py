"""Talk to the base and the tuned model of a run; words come as they are said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from engine.errors import TailfinError
from engine.evaluate.session import Done, Loaded, Loading, Piece, Ready, Refused, Remark
from engine.runs.store import RunFolder
from tui.chat_link import EVERY_S, ChatLink, Ended, Talks
from tui.chat_link import Heard as Said
from tui.chat_start import Sample, read_samples, start_session
from tui.clipboard import copy
from tui.conversation import MODES, Conversation, Mode
from tui.conversation import Reply as Answer
from tui.draw.chat_lines import answer_line, conversation_lines, loading_line, sample_rows
from tui.draw.line import Line, clip_start, line, wrapped
from tui.draw.words import clock
from tui.screens.base import TailfinScreen
from tui.widgets.driven_rows import DrivenRows
from tui.widgets.line_input import LineInput
from tui.widgets.rows import Rows
from tui.widgets.sheet import Sheet
from tui.widgets.transcript import Transcript

# Tokens an answer may have: at first, and as many as the longest contexts in use.
LIMIT, MOST = 256, 131_072
_COMMANDS = "/base /tuned /both switch, /limit N, /new forgets"


class ChatScreen(TailfinScreen):
    """One input, the conversation above it, and a session that ends with the screen."""

    AUTO_FOCUS: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "result", key_display="Esc"),
        Binding("tab,ctrl+t", "switch", "base/tuned/both", key_display="Tab"),
        Binding("ctrl+n", "new", "new talk"),
        Binding("ctrl+y", "copy", "copy answer"),
        Binding("ctrl+r", "restart", "start again"),
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        # Letters are typed here, so help and the way out are on keys that are none.
        Binding("f1", "app.help", "help", key_display="F1"),
        Binding("f10,ctrl+q", "app.leave", "leave", key_display="F10"),
        Binding("ctrl+k", "app.palette", "commands", show=False, priority=True),
        Binding("q,colon,question_mark", "typed", "", show=False),
    ]

    @dataclass
    class Heard(Message, bubble=False):
        """What the session said since the last time."""

        link: ChatLink
        said: tuple[Said, ...]

    def __init__(self, run: RunFolder, start: Callable[[], Talks] | None = None) -> None:
        super().__init__()
        self._run = run
        self._start = start or (lambda: start_session(run))
        self._link: ChatLink | None = None
        self._loading: tuple[str, str, float] | None = ("", "", 0.0)
        self._trouble: TailfinError | None = None
        self._device = ""
        self._is_fresh = True  # the session has answered nothing yet
        self._mode: Mode = "tuned"
        self._limit = LIMIT
        self._samples: tuple[Sample, ...] = ()
        self._talk = Conversation()
        self._asked = ""  # the id of the answer that comes now
        self._since = 0.0  # when loading or the answer began

    def body(self) -> Iterable[Widget]:
        yield DrivenRows(id="samples")
        yield Transcript(id="talk")
        yield Sheet(id="chat-status")
        with Horizontal(id="say"):
            yield Sheet(id="prompt")
            yield LineInput(placeholder="type a question", id="typed")

    def heading(self) -> tuple[Line, Line]:
        name = clip_start(self._run.id, max(self.size.width - 36, 12))
        to = "base and tuned" if self._mode == "both" else self._mode
        return line(("tailfin", "title"), "  ", name), line("talking to ", (to, "strong"))

    def help_lines(self) -> list[str]:
        return [
            "Talk to the tuned model, the base, or both with the same words: Tab switches. Both "
            "answer greedily, with the chat template the run was trained with.",
            "Esc or Ctrl+C ends an answer at once; Esc again goes back, which ends the session "
            "and frees its memory. Where both answer, what the tuned one said is what the "
            "conversation goes on with.",
            f"An answer is cut off at {self._limit} tokens. Typed commands: {_COMMANDS}.",
        ]

    def on_mount(self) -> None:
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()
        self._open()
        self.ask("samples", lambda: read_samples(self._run))
        self.set_interval(1.0, self._tick)

    def on_unmount(self) -> None:
        if self._link is not None:
            self._link.close()

    # What is heard

    @property
    def is_answering(self) -> bool:
        """Whether a question waits for its answer, or the answer comes."""
        last = self._talk.last
        return last is not None and last.current is not None

    def answered(self, question: str, value: object) -> None:
        if question == "samples" and isinstance(value, tuple):
            self._samples = value
            self.draw()

    def on_chat_screen_heard(self, message: Heard) -> None:
        if message.link is not self._link:
            return  # a session that was closed
        for said in message.said:
            self._hear(said)
        self.draw()
        self.refresh_bindings()

    def _hear(self, said: Said) -> None:
        match said:
            case Loading(stage, detail):
                self._loading = (stage, detail, 0.0)
            case Loaded(share) if self._loading is not None:
                self._loading = (*self._loading[:2], share)
            case Remark(text):
                self.tailfin.say(text, "warning")
            case Ready(device, dtype):
                self._loading, self._device, self._is_fresh = None, f"{device} ({dtype})", True
                self._ask_next()
            case Piece(id, text) if id == self._asked:
                self._change(lambda reply: reply.more(text))
            case Done(id) if id == self._asked:
                self._is_fresh = False
                self._change(lambda reply: reply.done(said))
                self._ask_next()
            case Refused(id, text, hint) if id == self._asked:
                self._change(lambda reply: replace(reply, state="refused", text=text, hint=hint))
                self._ask_next()
            case Ended(error):
                self._lose(error)

    def _lose(self, error: TailfinError | None) -> None:
        self._loading, self._device, self._asked = None, "", ""
        self._trouble = error or TailfinError("The chat session ended.", "")
        self._end_replies("lost")

    def _ask_next(self) -> None:
        """Send the question to the next model that has not answered it yet."""
        self._asked = ""
        last = self._talk.last
        if last is None or last.current is None or self._link is None or self._loading:
            return
        reply, self._since = last.replies[last.current], self.tailfin.clock()
        try:
            self._asked = self._link.ask(self._talk.messages(), reply.which, reply.limit)
        except TailfinError as error:
            self._lose(error)

    def _change(self, how: Callable[[Answer], Answer]) -> None:
        last = self._talk.last
        if last is not None and last.current is not None:
            self._talk = self._talk.change(last.current, how(last.replies[last.current]))

    def _end_replies(self, state: Literal["cancelled", "lost"]) -> None:
        """What has not come will not come: also of a model that was not asked yet."""
        while self.is_answering:
            self._change(lambda reply: replace(reply, state=state))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "new":
                return self._talk.last is not None
            case "copy":
                return bool(self._last_text)
            case "restart":
                return self._trouble is not None
        return True

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        typed = message.value.strip()
        if not typed:
            self._enter_nothing()
        elif typed.startswith("/"):
            message.input.value = ""
            self._obey(typed)
        elif self._say(typed):
            message.input.value = ""

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self._ask_sample(message.key)

    def cancel(self) -> bool:
        """End the answer that comes; False where none does."""
        if not self.is_answering:
            return False
        if self._link is not None and self._asked:
            try:
                self._link.cancel(self._asked)
            except TailfinError as error:
                self._lose(error)
        self._end_replies("cancelled")  # what still comes finds no reply to go into
        self.draw()
        self.refresh_bindings()
        return True

    async def action_back(self) -> None:
        """Ends an answer first; then to the result."""
        if not self.cancel():
            self.tailfin.open_result(self._run, has_chatted=True)

    def action_switch(self) -> None:
        self._switch(MODES[(MODES.index(self._mode) + 1) % len(MODES)])

    def action_new(self) -> None:
        """Forget what was said."""
        self.cancel()
        self._talk = Conversation()
        self.draw()
        self.refresh_bindings()

    def action_copy(self) -> None:
        if self._last_text:
            self.tailfin.say(copy(self.app, self._last_text))

    def action_restart(self) -> None:
        """A new session; what was said stays."""
        if self._trouble is not None:
            self._open()
            self.draw()
            self.refresh_bindings()

    def action_move(self, by: int) -> None:
        if self._shows_samples:
            self.query_one(Rows).action_move(by)
        else:
            self.query_one(Transcript).scroll_lines(by)

    def action_page(self, by: int) -> None:
        if self._shows_samples:
            self.query_one(Rows).action_page(by)
        else:
            self.query_one(Transcript).scroll_pages(by)

    def action_typed(self) -> None:
        """Letters that mean something elsewhere mean nothing here."""

    # Parts of the above

    @property
    def _shows_samples(self) -> bool:
        return self._talk.last is None

    @property
    def _last_text(self) -> str:
        last = self._talk.last
        texts = [reply.text for reply in last.replies if reply.counts] if last else []
        return texts[-1] if texts else ""

    def _open(self) -> None:
        if self._link is not None:
            self._link.close()
        self._trouble, self._loading, self._since = None, ("", "", 0.0), self.tailfin.clock()
        every_s = EVERY_S * (4 if self.tailfin.options.slow_link else 1)
        self._link = ChatLink(self._start, self._tell, every_s=every_s)

    def _tell(self, link: ChatLink, said: tuple[Said, ...]) -> None:
        self.post_message(self.Heard(link, said))

    def _enter_nothing(self) -> None:
        if self._trouble is not None:
            self.action_restart()
        elif self._shows_samples:
            self._ask_sample(self.query_one(Rows).key)

    def _ask_sample(self, key: str) -> None:
        if key.isdecimal() and int(key) < len(self._samples):
            sample = self._samples[int(key)]
            if self._talk.last is None:
                self._talk = replace(self._talk, system=sample.system)
            self._say(sample.text)

    def _say(self, question: str) -> bool:
        """Ask; False where that cannot be now, and the words stay where they are."""
        if self.is_answering:
            self.tailfin.say("An answer is under way: Esc ends it.")
            return False
        if self._trouble is not None:
            self.tailfin.say("The session has ended: Ctrl+R starts it again.", "warning")
            return False
        self._talk = self._talk.begin(question, self._mode, self._limit)
        self.query_one(Transcript).follow()
        self._ask_next()
        self.draw()
        self.refresh_bindings()
        return True

    def _obey(self, typed: str) -> None:
        word, _, rest = typed.partition(" ")
        match word:
            case "/base" | "/tuned" | "/both":
                self._switch(next(mode for mode in MODES if f"/{mode}" == word))
            case "/new":
                self.action_new()
            case "/limit":
                self._set_limit(rest.strip())
            case _:
                self.tailfin.say(f"Commands: {_COMMANDS}.", "warning")

    def _set_limit(self, typed: str) -> None:
        # Python turns no text of thousands of digits into a number.
        if typed.isdecimal() and len(typed) <= len(str(MOST)) and 1 <= int(typed) <= MOST:
            self._limit = int(typed)
            self.tailfin.say(f"Answers may have {self._limit} tokens now.")
        else:
            self.tailfin.say(f"A limit is a number of tokens from 1 to {MOST}.", "warning")

    def _switch(self, mode: Mode) -> None:
        self._mode = mode
        self.show_heading()
        self.draw()

    # Drawing

    def draw(self) -> None:
        samples, talk = self.query_one(Rows), self.query_one(Transcript)
        samples.display, talk.display = self._shows_samples, not self._shows_samples
        width = max(self.size.width - 2, 10)
        if self._shows_samples:
            samples.fill(sample_rows([sample.text for sample in self._samples], width - 2))
        else:
            lines = conversation_lines(self._talk, talk.content_size.width or width)
            talk.put(lines, is_growing=self.is_answering)
        self._draw_status()
        prompt = self.query_one("#prompt", Sheet)
        prompt.styles.width = len(self._mode) + 2
        prompt.show([line((f"{self._mode}>", "key"))])

    def _tick(self) -> None:
        """While somebody waits, a clock shows that this is still alive."""
        if self.is_current and (self._loading is not None or self.is_answering):
            self._draw_status()

    def _draw_status(self) -> None:
        width = max(self.size.width - 2, 10)
        self.query_one("#chat-status", Sheet).show(self._status_lines(width))

    @property
    def _waited(self) -> str:
        """Whole seconds since it began, nothing in the first two."""
        waited_s = self.tailfin.clock() - self._since
        return f"  {clock(waited_s)}" if waited_s >= 2 else ""

    def _status_lines(self, width: int) -> list[Line]:
        if self._trouble is not None:
            said = wrapped(f"{self._trouble.message} {self._trouble.hint}", width, "fail")[:3]
            return [*said, line(("Ctrl+R", "key"), " starts it again")]
        if self._loading is not None:
            ascii_only = self.tailfin.ascii_only
            drawn = loading_line(*self._loading, width - 8, ascii_only=ascii_only)
            return [(*drawn, (self._waited, "dim"))]
        last = self._talk.last if self.is_answering or not self._is_fresh else None
        return [answer_line(last, self._device, self._waited)]
