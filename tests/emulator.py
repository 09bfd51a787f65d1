"""What a terminal shows and answers: pyte's screen, and around it what pyte leaves out.

pyte knows the sequences of a VT102 and trips over newer ones, so everything with a private marker
or an intermediate byte is taken here: modes, the alternate screen, synchronized output, and the
questions a program may ask its terminal.
"""

from __future__ import annotations

import codecs
import re

import pyte

# Line wrap and a visible cursor: what a terminal has on before anybody asks for anything.
DEFAULT_MODES = frozenset({7, 25})
_SYNCHRONIZED = 2026
_ALTERNATE_SCREEN = 1049
# Modes that an xterm of today knows; it answers "not recognised" for others, such as 2048.
_KNOWN_MODES = DEFAULT_MODES | {
    *(1000, 1002, 1003, 1004, 1006, 1015, 1016, 2004),
    _ALTERNATE_SCREEN,
    _SYNCHRONIZED,
}
_SEQUENCE = re.compile(
    r"\x1b\[(?P<mark>[<=>?]?)(?P<numbers>[0-9:;]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|\x1b\](?P<command>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b[P_^X][^\x1b]*\x1b\\"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[P_^X][^\x1b]*\x1b?)?\Z")
_COLOURS = {"10": "rgb:d0d0/d0d0/d0d0", "11": "rgb:0000/0000/0000"}


class Emulator:
    """A terminal of `columns` x `lines` cells without a window; not safe for threads."""

    def __init__(self, columns: int, lines: int) -> None:
        self._columns, self._lines = columns, lines
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""
        self._screens = [pyte.Screen(columns, lines)]
        self._streams = [pyte.Stream(self._screens[0])]
        self.modes = set(DEFAULT_MODES)
        self.title = ""

    @property
    def lines(self) -> list[str]:
        """The visible lines from the top, without the spaces at their ends."""
        return [line.rstrip() for line in self._screens[-1].display]

    @property
    def is_mid_frame(self) -> bool:
        """Whether a synchronized update is under way, of which a terminal shows nothing yet."""
        return _SYNCHRONIZED in self.modes

    def feed(self, data: bytes) -> bytes:
        """Take what the program wrote; returns what the terminal sends back to it."""
        text = self._rest + self._decode(data)
        unfinished = _UNFINISHED.search(text)
        self._rest = unfinished.group() if unfinished else ""
        text = text[: len(text) - len(self._rest)]
        answers, drawn = "", 0
        for match in _SEQUENCE.finditer(text):
            if _pyte_takes(match):
                continue
            self._streams[-1].feed(text[drawn : match.start()])
            drawn = match.end()
            answers += self._take(match)
        self._streams[-1].feed(text[drawn:])
        return answers.encode()

    def resize(self, columns: int, lines: int) -> None:
        self._columns, self._lines = columns, lines
        for screen in self._screens:
            screen.resize(lines, columns)

    def _take(self, match: re.Match[str]) -> str:
        if match["command"] is not None:
            return self._operate(match["command"])
        if match["final"] is None:
            return ""
        numbers = [int(number) for number in re.findall(r"\d+", match["numbers"])]
        match match["mark"], match["between"], match["final"]:
            case "?", "", "h" | "l" as final:
                for mode in numbers:
                    self._set_mode(mode, on=final == "h")
            case "?", "$", "p":
                return "".join(f"\x1b[?{mode};{self._mode_report(mode)}$y" for mode in numbers)
            case "", "", "c":
                return "\x1b[?62;22c"
            case ">", "", "c":
                return "\x1b[>1;3900;0c"
            case "", "", "n" if numbers == [5]:
                return "\x1b[0n"
            case "" | "?" as mark, "", "n" if numbers == [6]:
                cursor = self._screens[-1].cursor
                return f"\x1b[{mark}{cursor.y + 1};{cursor.x + 1}R"
            case "", "", "t" if numbers == [18]:
                return f"\x1b[8;{self._lines};{self._columns}t"
        return ""

    def _operate(self, command: str) -> str:
        """An operating system command: the title, or a question about a colour."""
        number, _, rest = command.partition(";")
        if number in ("0", "2"):
            self.title = rest
        if number in _COLOURS and rest == "?":
            return f"\x1b]{number};{_COLOURS[number]}\x1b\\"
        return ""

    def _set_mode(self, mode: int, *, on: bool) -> None:
        (self.modes.add if on else self.modes.discard)(mode)
        if mode in DEFAULT_MODES:
            self._streams[-1].feed(f"\x1b[?{mode}{'h' if on else 'l'}")
        if mode == _ALTERNATE_SCREEN and on != (len(self._screens) > 1):
            if on:
                self._screens.append(pyte.Screen(self._columns, self._lines))
                self._streams.append(pyte.Stream(self._screens[-1]))
            else:
                self._screens.pop()
                self._streams.pop()

    def _mode_report(self, mode: int) -> int:
        """0 not recognised, 1 set, 2 reset."""
        if mode not in _KNOWN_MODES:
            return 0
        return 1 if mode in self.modes else 2


def _pyte_takes(match: re.Match[str]) -> bool:
    """Whether pyte knows this kind of sequence: no marker, nothing between, not a question."""
    if match["final"] is None:
        return False
    plain = not match["mark"] and not match["between"] and ":" not in match["numbers"]
    return plain and match["final"] not in "cnt"
