"""The command that copies a result home, read by a shell and by scp itself."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import take_home
from engine.take_home import box_environment, copy_command, copy_here

ADAPTER = Path("/data/runs/r1/exports/adapter")
RUNPOD = {"RUNPOD_PUBLIC_IP": "203.0.113.5", "RUNPOD_TCP_PORT_22": "2222"}
AWKWARD = 'it\'s [a] "result" $HOME `x` 名前 (1)*?\\z #~;&|<>!{},^'


@pytest.mark.parametrize(
    ("env", "place"),
    [
        (RUNPOD, "-P 2222 -r root@203.0.113.5:"),
        ({"PUBLIC_IPADDR": "198.51.100.7", "VAST_TCP_PORT_22": "40022"}, "-P 40022 -r root@198"),
        ({"SSH_CONNECTION": "198.51.100.1 50000 203.0.113.9 22"}, "scp -r root@203.0.113.9:"),
        ({"SSH_CONNECTION": "8.8.8.8 50000 203.0.113.9 2200"}, "-P 2200 -r root@203.0.113.9:"),
        ({"SSH_CONNECTION": "2001:db8::9 5 2001:db8::1 22"}, "'root@[2001:db8::1]:/data"),
        # the platform knows better than a session that came through its proxy
        (RUNPOD | {"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}, "-P 2222 -r root@203.0.113.5:"),
        ({"SSH_CONNECTION": "192.168.1.5 5 192.168.1.20 22"}, "scp -r root@192.168.1.20:"),
    ],
)
def test_the_box_is_named_as_it_is_reached(env: dict[str, str], place: str) -> None:
    assert place in copy_command(ADAPTER, env, "root")


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"SSH_CONNECTION": ""},
        {"SSH_CONNECTION": "8.8.8.8 50000 192.168.1.20 22"},  # behind a router
        {"SSH_CONNECTION": "172.17.0.1 50000 172.17.0.2 22"},  # a container's own network
        {"SSH_CONNECTION": "127.0.0.1 50000 127.0.0.1 22"},
        {"SSH_CONNECTION": "::1 50000 ::1 22"},
        {"SSH_CONNECTION": "100.65.1.1 50000 100.65.1.2 22"},
        {"SSH_CONNECTION": "nonsense"},
        {"SSH_CONNECTION": "a b c d"},
        {"RUNPOD_PUBLIC_IP": "203.0.113.5"},
        RUNPOD | {"RUNPOD_TCP_PORT_22": "$(reboot)"},
        RUNPOD | {"RUNPOD_PUBLIC_IP": "-oProxyCommand=x"},
    ],
)
def test_an_address_that_is_not_known_is_said_in_words(env: dict[str, str]) -> None:
    line = copy_command(ADAPTER, env, "root")
    assert line == f"scp -r root@ADDRESS-OF-THIS-BOX:{ADAPTER} ."


def test_a_user_without_a_name_is_left_out() -> None:
    assert copy_command(ADAPTER, RUNPOD, "") == f"scp -P 2222 -r 203.0.113.5:{ADAPTER} ."


def test_a_relative_path_becomes_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f":{tmp_path}/out ." in copy_command(Path("out"), RUNPOD, "root")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/\n")))
def test_two_shells_leave_the_name_as_it_is(name: str) -> None:
    """The one at home, then the one on the box that an older scp starts."""
    path = f"/data/x{name}"
    words = shlex.split(copy_command(Path(path), RUNPOD, "root"))
    assert words[:4] == ["scp", "-P", "2222", "-r"]
    assert shlex.split(words[4].removeprefix("root@203.0.113.5:")) == [path]


@pytest.mark.skipif(shutil.which("scp") is None, reason="no scp here")
def test_scp_itself_finds_the_most_awkward_name(tmp_path: Path) -> None:
    folder = tmp_path / AWKWARD
    folder.mkdir()
    (folder / "adapter.bin").write_text("weights")
    # stands in for ssh: leaves host and options out and gives the rest to a shell, as sshd does
    ssh = tmp_path / "ssh"
    ssh.write_text(
        '#!/bin/sh\nwhile [ "$1" != -- ]; do [ "$1" = -l ] && shift; shift; done\n'
        'shift 2\nexec sh -c "$*"\n'
    )
    ssh.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    line = copy_command(folder, RUNPOD, "root").replace("scp ", f"scp -O -S {ssh} ", 1)
    done = subprocess.run(
        ["sh", "-c", line], cwd=home, capture_output=True, text=True, check=False, timeout=20
    )
    assert done.returncode == 0, done.stderr
    assert (home / AWKWARD / "adapter.bin").read_text() == "weights"


def test_much_is_copied_by_rsync_where_the_box_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take_home, "_BIG_BYTES", 10)
    rsync = tmp_path / "bin" / "rsync"
    rsync.parent.mkdir()
    rsync.write_text("#!/bin/sh\n")
    rsync.chmod(0o755)
    merged = tmp_path / "merged"
    (merged / "part").mkdir(parents=True)
    (merged / "part" / "a.bin").write_bytes(b"0" * 9)
    env = RUNPOD | {"PATH": str(rsync.parent)}
    assert copy_command(merged, env, "root").startswith("scp ")
    (merged / "part" / "b.bin").write_bytes(b"0")
    line = copy_command(merged, env, "root")
    assert line == (
        "rsync -a --partial --progress -e 'ssh -p 2222' "
        f"root@203.0.113.5:{shlex.quote(str(merged))} ."
    )
    assert "-e" not in copy_command(merged, {"PATH": env["PATH"]}, "root").split()
    assert copy_command(merged, RUNPOD | {"PATH": str(tmp_path)}, "root").startswith("scp ")
    # versions of rsync differ in how they read what needs an escape
    spaced = merged.rename(tmp_path / "merged weights")
    assert copy_command(spaced, env, "root").startswith("scp ")


def test_what_the_platform_says_is_found_where_ssh_shells_lack_it(tmp_path: Path) -> None:
    (tmp_path / "proc" / "1").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    environ = "A=1\0RUNPOD_PUBLIC_IP=203.0.113.5\0RUNPOD_TCP_PORT_22=2222\0SECRET=x\0"
    (tmp_path / "proc/1/environ").write_text(environ)
    assert box_environment({"B": "2"}, tmp_path) == RUNPOD | {"B": "2"}
    (tmp_path / "proc/1/environ").unlink()
    (tmp_path / "etc/rp_environment").write_text(
        'export A="1"\nexport RUNPOD_PUBLIC_IP="203.0.113.5"\nexport RUNPOD_TCP_PORT_22="2222"\n'
    )
    assert box_environment({}, tmp_path) == RUNPOD
    assert box_environment(RUNPOD | {"RUNPOD_PUBLIC_IP": "198.51.100.1"}, tmp_path) == (
        RUNPOD | {"RUNPOD_PUBLIC_IP": "198.51.100.1"}
    )
    assert box_environment({}, tmp_path / "nothing") == {}


def test_here_and_now_it_names_this_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name in {"SSH_CONNECTION", *take_home._NAMES}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("LOGNAME", "ada")
    assert " ada@" in copy_here(ADAPTER)
