"""What the terminal can show: TERM and its database, the locale, and a multiplexer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.doctor.facts import Box
from engine.doctor.host import Host
from engine.doctor.terminal import check_locale, check_screen, check_tmux, read_terminal
from tests.doctor.boxes import box, only, tree
from tests.process import ROOT


def seen(root: Path, **env: str) -> Box:
    return box(terminal=read_terminal(Host(env, root)))


@pytest.mark.parametrize(
    ("env", "severity"),
    [
        ({"LANG": "C.UTF-8"}, "ok"),
        ({"LANG": "en_US.utf8"}, "ok"),
        ({"LANG": "de_DE.UTF-8@euro"}, "ok"),
        ({}, "warn"),
        ({"LANG": "C"}, "warn"),
        ({"LANG": "C.UTF-8", "LC_ALL": "POSIX"}, "warn"),
        ({"LANG": "en_US.ISO-8859-1", "LC_CTYPE": "C.UTF-8"}, "ok"),
    ],
)
def test_the_locale_that_counts(tmp_path: Path, env: dict[str, str], severity: str) -> None:
    finding = only(check_locale(seen(tmp_path, **env)))
    assert finding.severity == severity
    assert severity == "ok" or finding.fix == "export LC_ALL=C.UTF-8; tmux -u"


def test_tmux_is_looked_for_on_the_path(tmp_path: Path) -> None:
    without = only(check_tmux(seen(tmp_path, PATH="/bin")))
    assert (without.severity, without.fix) == (
        "info",
        "apt-get update && apt-get install -y tmux",
    )
    over_ssh = seen(tmp_path, PATH="/bin", SSH_CONNECTION="10.0.0.1 5 10.0.0.2 22")
    assert only(check_tmux(over_ssh)).severity == "warn"
    tree(tmp_path, {"bin/tmux": ""})
    (tmp_path / "bin/tmux").chmod(0o755)
    assert only(check_tmux(seen(tmp_path, PATH="/bin"))).severity == "ok"


def test_inside_a_multiplexer_none_is_missed(tmp_path: Path) -> None:
    inside = only(check_tmux(seen(tmp_path, PATH="/none", TMUX="/tmp/tmux-0/default,1,0")))
    assert "inside tmux" in inside.message
    assert "inside screen" in only(check_tmux(seen(tmp_path, STY="1.pts"))).message


def test_a_terminal_the_box_does_not_know(tmp_path: Path) -> None:
    tree(tmp_path, {"usr/share/terminfo/x/xterm-256color": "", "root/.terminfo/x/xterm-kitty": ""})
    unknown = only(check_screen(seen(tmp_path, TERM="xterm-ghostty")))
    assert (unknown.severity, unknown.fix) == ("warn", "export TERM=xterm-256color")
    for term in ("xterm-256color", "xterm-kitty"):
        assert only(check_screen(seen(tmp_path, TERM=term, HOME="/root"))).severity == "ok"
    assert only(check_screen(seen(tmp_path, TERM="xterm-kitty", HOME="/x"))).severity == "warn"


def test_without_a_database_common_terminals_are_believed(tmp_path: Path) -> None:
    assert only(check_screen(seen(tmp_path, TERM="xterm"))).severity == "ok"
    assert only(check_screen(seen(tmp_path, TERM="xterm-ghostty"))).severity == "warn"
    assert only(check_screen(seen(tmp_path, TERM="../../etc/passwd"))).severity == "ok"


def test_a_terminal_that_draws_nothing(tmp_path: Path) -> None:
    dumb = only(check_screen(seen(tmp_path, TERM="dumb")))
    assert (dumb.severity, dumb.fix) == ("warn", "tailfin doctor --plain")
    assert only(check_screen(seen(tmp_path))).severity == "info"


@pytest.mark.parametrize(("lang", "is_utf8"), [("C", False), (None, False), ("C.UTF-8", True)])
def test_a_locale_that_python_made_up_is_not_the_shells(lang: str | None, is_utf8: bool) -> None:
    """Python turns a locale of C into UTF-8 for itself; tmux does not."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    env |= {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"} | ({"LANG": lang} if lang else {})
    done = subprocess.run(
        [sys.executable, "-m", "tui", "doctor", "--json"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    severity = {one["id"]: one["severity"] for one in json.loads(done.stdout)["findings"]}
    assert severity["terminal.locale"] == ("ok" if is_utf8 else "warn")
