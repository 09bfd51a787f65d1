"""How a box is changed or restarted where it was rented, in the words of the platform."""

from __future__ import annotations

from engine.doctor.platform import (
    AUTODL,
    COLAB,
    KAGGLE,
    LAMBDA,
    RUNPOD,
    VAST,
    WSL,
    Platform,
)

_CHANGE = {
    RUNPOD: "terminate this pod and deploy a new one on the same network volume",
    VAST: "destroy this instance and rent another machine",
    AUTODL: "shut this instance down and clone it to another machine in the console",
    LAMBDA: "terminate this instance and launch another one on the same file system",
    COLAB: "choose Runtime > Disconnect and delete runtime, then connect again",
    KAGGLE: "stop the session and start a new one",
}
_RESTART = {
    RUNPOD: "Stop and start this pod in the RunPod console",
    VAST: "Stop and start this instance in the Vast.ai console",
    AUTODL: "Shut this instance down and start it again in the AutoDL console",
    COLAB: "Choose Runtime > Disconnect and delete runtime, then connect again",
    KAGGLE: "Stop the session and start a new one",
    WSL: "Run in Windows: wsl --shutdown",
}


def change_host(platform: Platform) -> str:
    """What to do where only another machine helps."""
    how = _CHANGE.get(platform.name, "move to another machine, and report this one")
    return f"Save your files and change host: {how}."


def restart(platform: Platform) -> str:
    """How this box is started anew, without a full stop: a command on a machine of one's own."""
    if platform.name in _RESTART:
        return _RESTART[platform.name]
    if platform.is_container:
        return "Restart the container from outside: docker restart CONTAINER"
    return as_root(platform, "reboot")


def as_root(platform: Platform, command: str) -> str:
    """A command that only root may run, as this person may type it."""
    if platform.is_root:
        return command
    return " && ".join(f"sudo {part}" for part in command.split(" && "))


def is_rented(platform: Platform) -> bool:
    """Whether the kernel and the driver are out of this person's reach."""
    return platform.is_container or platform.name in (RUNPOD, VAST, AUTODL, COLAB, KAGGLE)
