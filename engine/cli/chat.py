"""`tailfin chat RUN`: talk to the tuned or the base model on a plain terminal."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from engine.cli.output import note, print_json
from engine.cli.side_by_side import inert_text
from engine.cli.spec_arguments import add_runs_argument
from engine.errors import EXIT_INTERRUPTED, EXIT_NO, TailfinError

if TYPE_CHECKING:
    from engine.evaluate.session import Done, Session, Which

_HELP = "/base and /tuned switch the model, /new forgets the conversation, /quit leaves"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id, path or 'last'")
    parser.add_argument("--base", action="store_true", help="talk to the base model instead")
    parser.add_argument("--once", metavar="QUESTION", help="ask one question and end")
    parser.add_argument(
        "--max-new-tokens", type=int, default=512, metavar="N", help="longest answer (512)"
    )
    add_runs_argument(parser)


def run(args: argparse.Namespace) -> int:
    from engine.evaluate.delivered import find_delivered
    from engine.evaluate.session import Session
    from engine.runs.store import find_run

    if args.json and args.once is None:
        raise TailfinError(
            "--json answers one question and needs --once.",
            'Write: tailfin chat RUN --once "..." --json',
            where="--json",
        )
    if args.max_new_tokens < 1:
        raise TailfinError("--max-new-tokens is below 1.", "Give it a number from 1 on.")
    folder = find_run(args.run, args.runs)
    find_delivered(folder)
    which: Which = "base" if args.base else "tuned"
    session = Session(folder)
    try:
        _wait_until_ready(session)
        if args.once is not None:
            return _once(session, args, which)
        return _talk(session, which, args.max_new_tokens)
    finally:
        session.close()


def _wait_until_ready(session: Session) -> None:
    from engine.evaluate.session import Loading, Ready, Remark

    for reply in session.replies():
        match reply:
            case Loading(stage, detail):
                note(f"[{stage}] {detail}".rstrip())
            case Remark(message):
                note(message)
            case Ready(device, dtype):
                note(f"Ready on {device} ({dtype}).")
                return
    raise TailfinError("The chat session ended before it was ready.", "", exit_code=EXIT_NO)


def _once(session: Session, args: argparse.Namespace, which: Which) -> int:
    messages = [{"role": "user", "content": args.once}]
    done = _ask(session, messages, which, args.max_new_tokens, quiet=args.json)
    if args.json:
        print_json(
            "chat",
            ok=not done.cancelled,
            data={
                "which": which,
                "question": args.once,
                "answer": done.text,
                "num_tokens": done.num_tokens,
                "hit_limit": done.hit_limit,
                "elapsed_s": done.elapsed_s,
            },
        )
    return EXIT_INTERRUPTED if done.cancelled else 0


def _talk(session: Session, which: Which, max_new_tokens: int) -> int:
    note(_HELP)
    messages: list[dict[str, str]] = []
    while True:
        try:
            said = input("you> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return 0
        match said:
            case "":
                continue
            case "/quit" | "/exit" | "/q":
                return 0
            case "/base":
                which = "base"
            case "/tuned":
                which = "tuned"
            case "/new":
                messages = []
                note("A new conversation.")
                continue
            case _ if said.startswith("/"):
                note(_HELP)
                continue
            case _:
                messages.append({"role": "user", "content": said})
                print(f"{which}> ", end="", flush=True)
                try:
                    done = _ask(session, messages, which, max_new_tokens)
                except _NotAnswered as refusal:
                    note(str(refusal))
                    messages.pop()
                    continue
                messages.append({"role": "assistant", "content": done.text})
                continue
        note(f"Talking to the {which} model.")


class _NotAnswered(TailfinError):
    """One question failed; the conversation can go on."""


def _ask(
    session: Session,
    messages: list[dict[str, str]],
    which: Which,
    max_new_tokens: int,
    *,
    quiet: bool = False,
) -> Done:
    """Print the answer as it comes. Ctrl-C cancels it; a second one leaves."""
    from engine.evaluate.session import Done, Loading, Piece, Refused

    asked = session.ask(messages, which, max_new_tokens=max_new_tokens)
    interrupts = 0

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            raise KeyboardInterrupt
        session.cancel(asked)

    # A handler and not the exception: that could fall into the middle of a line being read.
    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        for reply in session.replies():
            match reply:
                case Loading(stage, detail):
                    note(f"[{stage}] {detail}")
                case Piece(id, text) if id == asked and not quiet:
                    sys.stdout.write(inert_text(text))
                    sys.stdout.flush()
                case Refused(id, message, hint) if id == asked:
                    raise _NotAnswered(message, hint, exit_code=EXIT_NO)
                case Done(id) if id == asked:
                    if not quiet:
                        print(_ending(reply, max_new_tokens))
                    return reply
    finally:
        signal.signal(signal.SIGINT, before)
    raise TailfinError(
        "The chat session ended in mid-answer.", "Start it again.", exit_code=EXIT_NO
    )


def _ending(done: Done, max_new_tokens: int) -> str:
    if done.cancelled:
        return " (cancelled)"
    return f" (cut off at {max_new_tokens} tokens)" if done.hit_limit else ""
