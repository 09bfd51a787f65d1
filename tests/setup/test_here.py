"""What nvidia-smi and the system say of this box."""

from __future__ import annotations

import os

import pytest

from engine.setup.here import read_smi, this_box, this_glibc


@pytest.mark.parametrize(
    ("text", "visible", "expected"),
    [
        ("570.133.20, 12.0\n", None, ("570.133.20", ((12, 0),))),
        ("580.65.06, 7.0\n580.65.06, 12.0\n", None, ("580.65.06", ((7, 0), (12, 0)))),
        ("580.65.06, 7.0\n580.65.06, 12.0\n", "1", ("580.65.06", ((12, 0),))),
        ("580.65.06, 7.0\n", "GPU-1f2e", ("580.65.06", ((7, 0),))),
        ("NVIDIA-SMI has failed because it couldn't communicate\n", None, ("", ())),
        ("", None, ("", ())),
    ],
)
def test_the_answer_of_nvidia_smi(
    text: str, visible: str | None, expected: tuple[str, tuple[tuple[int, int], ...]]
) -> None:
    assert read_smi(text, visible) == expected


def test_this_box_knows_its_python_and_library() -> None:
    box = this_box()
    assert box.python >= (3, 10)
    assert ".".join(map(str, this_glibc())) in (os.confstr("CS_GNU_LIBC_VERSION") or "0.0")
