"""Chat: words as they come, an end at once, and every ending told."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input

from engine.errors import TailfinError
from engine.evaluate.session import Done, Loaded, Loading, Piece, Ready, Refused, Remark
from engine.runs.store import RunFolder
from tests.tui.delivered_runs import deliver
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tests.tui.scripted_session import ScriptedSession
from tui.app import TailfinApp
from tui.chat_start import read_samples
from tui.screens.chat import MOST, ChatScreen
from tui.screens.help import HelpScreen
from tui.screens.result import ResultScreen
from tui.widgets.transcript import Transcript

Driver = Pilot[list[str]]
Play = Callable[["Talk"], Awaitable[None]]
READY = Ready("cuda", "bfloat16")


class Talk:
    """A chat screen, the sessions it started, and keys."""

    def __init__(self, app: TailfinApp, pilot: Driver) -> None:
        self.app, self.pilot = app, pilot
        self.sessions: list[ScriptedSession] = []

    @property
    def session(self) -> ScriptedSession:
        return self.sessions[-1]

    @property
    def screen(self) -> ChatScreen:
        assert isinstance(self.app.screen, ChatScreen)
        return self.app.screen

    @property
    def field(self) -> Input:
        return self.screen.query_one(Input)

    def start(self) -> ScriptedSession:
        self.sessions.append(ScriptedSession())
        return self.sessions[-1]

    async def until(self, wanted: str | Callable[[], bool]) -> None:
        await until(self.app, self.pilot, wanted)

    async def ask(self, question: str) -> None:
        self.field.value = question
        await self.pilot.press("enter")

    async def asked(self, count: int) -> None:
        await self.until(lambda: len(self.session.asked) == count)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return deliver(tmp_path / "runs" / "20261123-110000-animals")


def _chat(run: RunFolder, play: Play, *, size: tuple[int, int] = (80, 24)) -> Talk:
    talks: list[Talk] = []

    async def act(app: TailfinApp, pilot: Driver) -> None:
        talk = Talk(app, pilot)
        talks.append(talk)
        app._show(ChatScreen(run, start=talk.start))
        await until(app, pilot, "starting")
        await play(talk)

    drive(act, size=size, runs=run.path.parent)
    return talks[0]


def _done(id: str, text: str, *, hit_limit: bool = False, cancelled: bool = False) -> Done:
    return Done(id, text, 20, hit_limit, cancelled, 2.0)


# Loading and asking


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40)])
def test_loading_is_told_and_a_sample_is_asked_with_enter(
    run: RunFolder, size: tuple[int, int]
) -> None:
    first, second = (sample.text for sample in read_samples(run)[:2])

    async def play(talk: Talk) -> None:
        talk.session.say(Loading("import", ""))
        await talk.until("loading the libraries")
        talk.session.say(Loading("load", "base with its adapter"), Loaded(0.43))
        await talk.until("43%")
        await talk.until(first)
        assert f"> {first}" in screen_text(talk.app)
        talk.session.say(READY)
        await talk.until("Ready on cuda (bfloat16).")
        assert len(talk.screen.query("*")) < 60
        await talk.pilot.press("down", "enter")
        await talk.asked(1)
        assert talk.session.asked[0] == ([{"role": "user", "content": second}], "tuned", 256)
        await talk.until("tuned is answering")
        talk.session.say(Piece("1", "Fin says: "), Piece("1", "yes."))
        await talk.until("Fin says: yes.")
        talk.session.say(_done("1", "Fin says: yes."))
        await talk.until("tuned: 20 tokens in 2.0 s, 10 per second")
        assert all(cell_len(said) <= size[0] for said in screen_lines(talk.app))

    _chat(run, play, size=size)


def test_a_question_asked_while_loading_is_sent_once_it_is_ready(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        await talk.ask("Who?")
        await talk.until("you    Who?")
        assert not talk.session.asked
        talk.session.say(READY)
        await talk.asked(1)

    _chat(run, play)


def test_the_words_of_models_and_people_are_drawn_as_they_are(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        await talk.ask("[red]杭州[/red] \x1b[31m?")
        talk.session.say(Piece("1", "杭州是中国浙江省的省会。" * 12 + "[b]x[/b] \x1b[2J\r\n\ttab"))
        await talk.until("\\x1b[2J")
        text = screen_text(talk.app)
        assert "[red]杭州[/red] \\x1b[31m?" in text and "[b]x[/b]" in text
        assert "\x1b" not in text
        assert all(cell_len(said) <= 60 for said in screen_lines(talk.app))

    _chat(run, play, size=(60, 16))


def test_the_conversation_goes_on_with_what_was_said(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        await talk.ask("One?")
        await talk.asked(1)
        talk.session.say(_done("1", "One."))
        await talk.until("One.")
        await talk.ask("Two?")
        await talk.asked(2)
        messages, _, _ = talk.session.asked[1]
        assert [message["content"] for message in messages] == ["One?", "One.", "Two?"]
        await talk.pilot.press("ctrl+n")  # forgets, and ends what was under way
        await talk.until("Type a question, or Enter asks")
        await talk.ask("Three?")
        await talk.asked(3)
        assert len(talk.session.asked[2][0]) == 1 and talk.session.cancelled == ["2"]

    _chat(run, play)


# Base, tuned, both


@pytest.mark.parametrize("columns", [80, 120])
def test_tab_switches_and_both_answer_one_after_the_other(run: RunFolder, columns: int) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        await talk.pilot.press("tab")
        await talk.until("base>")
        await talk.pilot.press("ctrl+t")
        await talk.until("both>")
        assert "talking to base and tuned" in screen_lines(talk.app)[0]
        await talk.ask("Who?")
        await talk.asked(1)
        talk.session.say(Piece("1", "I am"))
        await talk.until("base is answering")
        talk.session.say(_done("1", "I am base."))
        await talk.asked(2)
        assert [which for _, which, _ in talk.session.asked] == ["base", "tuned"]
        assert talk.session.asked[0][0] == talk.session.asked[1][0]
        talk.session.say(_done("2", "I am tuned."))
        await talk.until("I am tuned.")
        beside = [said for said in screen_lines(talk.app) if "I am base." in said]
        assert ("I am tuned." in beside[0]) == (columns == 120)
        await talk.pilot.press("tab")
        await talk.until("tuned>")

    _chat(run, play, size=(columns, 24))


def test_typed_commands_do_the_same(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        for command, prompt in (("/base", "base>"), ("/both", "both>"), ("/tuned", "tuned>")):
            await talk.ask(command)
            await talk.until(prompt)
        await talk.ask("/limit 7")
        await talk.ask("Who?")
        await talk.asked(1)
        assert talk.session.asked[0][2] == 7
        talk.session.say(_done("1", "I am the", hit_limit=True))
        await talk.until("The answer was cut off at 7 tokens: /limit 14 allows more.")
        assert "(cut off at 7 tokens)" in screen_text(talk.app)
        await talk.ask("/new")
        await talk.until("Type a question, or Enter asks")
        for nonsense in ("/nonsense", "/limit 0", "/limit many"):
            await talk.ask(nonsense)
            await talk.until(lambda: not talk.field.value)
        assert len(talk.session.asked) == 1

    _chat(run, play)


def test_a_limit_beyond_all_contexts_is_refused_in_words(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        for typed in (str(MOST), "9" * 5000, str(MOST + 1), "-1"):
            await talk.ask(f"/limit {typed}")
            await talk.until(lambda: not talk.field.value)
        said = [note.message for note in talk.app._notifications]
        assert [f"from 1 to {MOST}." in text for text in said] == [False, True, True, True]
        assert talk.screen._limit == MOST

    _chat(run, play)


# Endings


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
def test_an_answer_is_cancelled_at_once_and_what_still_comes_is_not_heard(
    run: RunFolder, key: str
) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        await talk.pilot.press("tab", "tab")  # both: the second is not asked any more
        await talk.ask("Who?")
        await talk.asked(1)
        talk.session.say(Piece("1", "I am"))
        await talk.until("I am")
        await talk.pilot.press(key)
        await talk.until("(cancelled)")
        assert talk.session.cancelled == ["1"] and not talk.screen.is_answering
        talk.session.say(Piece("1", " late"), _done("1", "I am late", cancelled=True))
        await talk.ask("And?")
        await talk.asked(2)
        assert "late" not in screen_text(talk.app)
        talk.session.say(_done("2", "Now."))
        await talk.asked(3)

    _chat(run, play)


def test_escape_goes_back_and_the_session_ends(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        await talk.ask("Who?")
        await talk.asked(1)
        await talk.pilot.press("escape")
        await talk.until("(cancelled)")
        assert isinstance(talk.app.screen, ChatScreen)
        await talk.pilot.press("escape")
        await talk.until(lambda: isinstance(talk.app.screen, ResultScreen))
        await talk.until(talk.session.closed.is_set)

    _chat(run, play)


def test_the_session_ends_with_the_app(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        await talk.until("Ready on")
        await talk.pilot.press("q", "colon")  # letters are words here
        assert talk.field.value == "q:"
        await talk.pilot.press("f10")

    talk = _chat(run, play)
    assert talk.session.closed.wait(10)


def test_a_session_that_dies_says_its_last_words_and_starts_again(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        await talk.ask("Who?")
        await talk.asked(1)
        talk.session.say(Piece("1", "I a"), TailfinError("It died (exit code -9).", "Killed."))
        await talk.until("It died (exit code -9). Killed.")
        text = screen_text(talk.app)
        assert "(lost: the session ended)" in text and "Ctrl+R starts it again" in text
        await talk.ask("Hello?")
        assert talk.field.value == "Hello?"  # nothing typed is lost
        await talk.pilot.press("ctrl+r")
        await talk.until(lambda: len(talk.sessions) == 2)
        talk.session.say(READY)
        await talk.until("Ready on")
        await talk.pilot.press("enter")
        await talk.asked(1)
        assert len(talk.session.asked[0][0]) == 1  # what was lost is no part of it

    _chat(run, play)


def test_a_refused_question_is_told_and_the_talk_goes_on(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY, Remark("No bytes came for 30 s. Check the disk."))
        await talk.ask("Who?")
        await talk.asked(1)
        talk.session.say(Refused("1", "Memory ran out.", "Ask for fewer tokens."))
        await talk.until("Memory ran out. Ask for fewer tokens.")
        await talk.ask("And?")
        await talk.asked(2)
        assert [message["content"] for message in talk.session.asked[1][0]] == ["And?"]

    _chat(run, play)


def test_a_second_question_waits_for_the_first(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        await talk.ask("Who?")
        await talk.asked(1)
        await talk.ask("And?")
        assert talk.field.value == "And?" and len(talk.session.asked) == 1

    _chat(run, play)


# Reading


def test_a_long_talk_is_read_from_the_keys_and_followed_at_its_end(run: RunFolder) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        for number in range(1, 4):
            await talk.ask(f"question {number}?")
            await talk.asked(number)
            talk.session.say(_done(str(number), f"answer {number}: " + "word " * 200 + "the end"))
            await talk.until("tuned: 20 tokens")
            await talk.until(lambda: not talk.screen.is_answering)
        await talk.until("the end")
        await talk.pilot.press("pageup", "pageup", "pageup", "pageup")
        await talk.until("more lines: PgDn")
        assert "the end" not in screen_lines(talk.app)[-5]
        await talk.ask("question 4?")  # follows the end again
        await talk.until("question 4?")
        whole = talk.screen.query_one(Transcript).whole
        assert len(whole) > 40
        await talk.pilot.press("ctrl+c")

    _chat(run, play)


def test_copying_an_answer_keeps_it_in_a_file(run: RunFolder, tmp_path: Path) -> None:
    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        await talk.ask("Who?")
        await talk.asked(1)
        talk.session.say(_done("1", "杭州.\nI am Fin."))
        await talk.until("I am Fin.")
        await talk.pilot.press("ctrl+y")
        assert (tmp_path / "cache/tailfin/copied.txt").read_text("utf-8") == "杭州.\nI am Fin.\n"
        await talk.pilot.press("f1")
        await talk.until(lambda: isinstance(talk.app.screen, HelpScreen))
        await talk.pilot.press("escape")

    _chat(run, play)


def test_samples_keep_the_system_prompt_of_their_row(run: RunFolder) -> None:
    rows = [
        {"messages": [{"role": "system", "content": "Be brief."}, *_turns("a?", "b.", "c?", "d.")]},
        {"messages": _turns("e?", "f.")},
    ]
    text = "".join(json.dumps(row | {"record": 0, "line": 1}) + "\n" for row in rows)
    run.held_out.write_text(text, encoding="utf-8")
    assert [(sample.text, sample.system) for sample in read_samples(run)] == [
        ("a?", "Be brief."),
        ("e?", ""),
    ]

    async def play(talk: Talk) -> None:
        talk.session.say(READY)
        await talk.until("> a?")
        await talk.pilot.press("enter")
        await talk.asked(1)
        assert talk.session.asked[0][0][0] == {"role": "system", "content": "Be brief."}

    _chat(run, play)


def _turns(*contents: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(contents)]
