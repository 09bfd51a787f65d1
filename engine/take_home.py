"""The command that copies a result from this box to the person's own machine."""

from __future__ import annotations

import getpass
import ipaddress
import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

# Names under which a platform says how this box is reached from outside: host, port of sshd.
# https://docs.runpod.io/pods/templates/environment-variables and
# https://docs.vast.ai/documentation/instances/docker-environment
_PLATFORMS = (("RUNPOD_PUBLIC_IP", "RUNPOD_TCP_PORT_22"), ("PUBLIC_IPADDR", "VAST_TCP_PORT_22"))
_NAMES = tuple(name for pair in _PLATFORMS for name in pair)
_UNKNOWN_HOST = "ADDRESS-OF-THIS-BOX"
# From here on a broken connection should not mean to begin anew.
_BIG_BYTES = 2**30
# Addresses that mean something only inside a container or on this very machine.
_INSIDE = [
    ipaddress.ip_network(net)
    for net in (
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "100.64.0.0/10",
        "::1",
        "fe80::/10",
    )
]
# Addresses that mean something only on the same local network.
_LOCAL = [ipaddress.ip_network(net) for net in ("10.0.0.0/8", "192.168.0.0/16", "fc00::/7")]
# What a shell or a file pattern could take for more than itself.
_SPECIAL = re.compile(r"[\x00-\x7f](?<![A-Za-z0-9_/.,:=@%+-])")


def copy_here(path: Path) -> str:
    """The command for a file or folder of this box and this user."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = ""
    return copy_command(path, box_environment(os.environ), user)


def copy_command(path: Path, env: Mapping[str, str], user: str) -> str:
    """A line to run at home that copies `path` of this box into the folder one is in there.

    Host and port are RunPod's, Vast's or those of this SSH session; where none of them can be
    reached from elsewhere, words stand in their place. rsync where there is much to copy and both
    ends can have it, else scp.
    """
    host, port = _reached_at(env)
    whole = os.path.abspath(path)
    at = f"{user}@" if user else ""
    place = f"{at}[{host}]" if ":" in host else f"{at}{host}"
    if _is_big(whole) and _is_plain(whole) and shutil.which("rsync", path=env.get("PATH", "")):
        shell = ["-e", f"ssh -p {port}"] if port != "22" else []
        return shlex.join(
            ["rsync", "-a", "--partial", "--progress", *shell, f"{place}:{whole}", "."]
        )
    option = ["-P", port] if port != "22" else []
    return shlex.join(["scp", *option, "-r", f"{place}:{_escaped(whole)}", "."])


def box_environment(env: Mapping[str, str], root: Path = Path("/")) -> dict[str, str]:
    """`env` with what the platform says of this box, which its SSH shells do not inherit."""
    found = {name: env[name] for name in _NAMES if env.get(name)}
    return dict(env) | _platform_facts(root) | found


def _reached_at(env: Mapping[str, str]) -> tuple[str, str]:
    """Host and port of this box's SSH server, as seen from home."""
    for host_name, port_name in _PLATFORMS:
        host, port = env.get(host_name, "").strip(), env.get(port_name, "").strip()
        if _is_host(host) and port.isdecimal():
            return host, port
    session = env.get("SSH_CONNECTION", "").split()
    if len(session) == 4 and session[3].isdecimal() and _reaches(session[0], session[2]):
        return session[2], session[3]
    return _UNKNOWN_HOST, "22"


def _is_host(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9.:-]+", text) is not None and not text.startswith("-")


def _reaches(client: str, server: str) -> bool:
    """Whether the address an SSH session came in at is worth trying again."""
    try:
        here, there = ipaddress.ip_address(server), ipaddress.ip_address(client)
    except ValueError:
        return False
    if any(here in net for net in _INSIDE):
        return False
    is_local = any(here in net for net in _LOCAL)
    return not is_local or any(there in net for net in _LOCAL)


def _platform_facts(root: Path) -> dict[str, str]:
    facts: dict[str, str] = {}
    for file, end in (("etc/rp_environment", "\n"), ("proc/1/environ", "\0")):
        try:
            text = (root / file).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for entry in text.split(end):
            name, _, value = entry.removeprefix("export ").partition("=")
            if name in _NAMES:
                facts[name] = value.strip("\"'")
    return facts


def _is_big(path: str) -> bool:
    whole = Path(path)
    files = whole.rglob("*") if whole.is_dir() else [whole]
    try:
        return sum(file.stat().st_size for file in files if file.is_file()) >= _BIG_BYTES
    except OSError:  # it changes while it is looked at
        return False


def _is_plain(path: str) -> bool:
    """Whether every rsync reads the path the same: they differ in who takes escapes away."""
    return _escaped(path) == path


def _escaped(path: str) -> str:
    """Special characters with a backslash, which both of scp's protocols take away.

    Since OpenSSH 9.0 scp speaks SFTP and matches the path as a pattern, before that a shell on the
    other side read it; quotes would be part of the name for the first, spaces an end for the other.
    """
    return _SPECIAL.sub(r"\\\g<0>", path)
