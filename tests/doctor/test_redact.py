"""What a ticket and a recording must not hold, and what they must keep."""

from __future__ import annotations

import pytest

from engine.doctor.host import Host
from engine.doctor.redact import Redactor, redactor_for


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Authorization: Bearer abcdefgh123", "abcdefgh123"),
        ("token hf_abcdefGHIJ1234", "hf_abcdef"),
        ("http://ann:pass@10.1.2.3:3128", "pass"),
        ("at 203.0.113.7 now", "203.0.113.7"),
        ("fe80::1234:5678:9abc:def0", "9abc"),
        ("GPU-9f3b2c1d-1111-2222-3333-444455556666", "9f3b2c1d"),
        ("02:42:ac:11:00:05", "ac:11"),
        ("/home/anna/.cache/huggingface", "anna"),
        ("https://models.corp.internal/api", "corp.internal"),
        ("https://cas.hf.co/x?X-Amz-Signature=abc123", "Signature"),
        ("serial number: 1321020012345", "1321020012345"),
        ("mail anna@corp.example", "anna@"),
    ],
)
def test_it_goes(text: str, gone: str) -> None:
    redactor = Redactor()
    once = redactor.text(text)
    assert gone not in once
    assert redactor.text(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "export HF_ENDPOINT=https://hf-mirror.com HF_HUB_DISABLE_XET=1",
        "NVIDIA driver 580.65.06, CUDA up to 13.0; nvidia-cudnn-cu12==9.10.2.21",
        "GPU 0 at 00000000:01:00.0, 12:34:56, 127.0.0.1, /root/autodl-tmp",
    ],
)
def test_it_stays(text: str) -> None:
    assert Redactor().text(text) == text


def test_a_box_knows_its_own_names() -> None:
    env = {
        "WANDB_API_KEY": "0123456789abcdef",
        "HOSTNAME": "pod-7-rack-3",
        "RUNPOD_POD_ID": "k3x9q2zz",
        "USER": "anna",
    }
    redactor = redactor_for(Host(env))
    told = redactor.text("0123456789abcdef on pod-7-rack-3, k3x9q2zz-volume, /scratch/anna/runs")
    assert told == "removed on host-1, id-1-volume, /scratch/user/runs"


def test_one_card_stays_one_card() -> None:
    redactor = Redactor()
    one, other = (f"GPU-{digit * 8}-1111-2222-3333-444455556666" for digit in "ab")
    first, second, again = (redactor.text(card) for card in (one, other, one))
    assert first == again != second
