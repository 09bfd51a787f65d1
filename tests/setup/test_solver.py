"""The solver's answers, box by box, and that none of them can fail to start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.setup.driver import min_driver
from engine.setup.installed import older
from engine.setup.releases import RELEASES, has_code, missing_code
from engine.setup.requirements import torch_pin
from engine.setup.solver import MIN_TORCH, Box, Fit, NoFit, known_cuda, read_cuda, solve

TESTED = torch_pin().partition("==")[2]
P100, GTX_1080, V100, T4 = (6, 0), (6, 1), (7, 0), (7, 5)
A100, L4, H100, B200, RTX_5090, SPARK = (8, 0), (8, 9), (9, 0), (10, 0), (12, 0), (12, 1)
CARDS = [(3, 7), (5, 2), P100, GTX_1080, V100, T4, A100, (8, 6), L4, H100, B200, (10, 3)]
CARDS += [(11, 0), RTX_5090, SPARK, (13, 0)]


def test_the_tested_torch_is_in_the_table() -> None:
    assert any(row.version.split(".")[:2] == TESTED.split(".")[:2] for row in RELEASES)


@pytest.mark.parametrize(
    ("box", "torch", "cuda", "command"),
    [
        # https://github.com/pytorch/pytorch/issues/162531 and #178665: 2.12 has no 12.8 any more
        (
            Box(True, "570.133.20", (12, 8), (RTX_5090,)),
            "2.11.0",
            (12, 8),
            "tailfin setup --replace-torch --cuda 12.8",
        ),
        (Box(True, "570.133.20", (12, 8), (B200,) * 8), "2.11.0", (12, 8), "--cuda 12.8"),
        (Box(True, "580.65.06", (13, 0), (RTX_5090,)), "2.13.0", (13, 0), "--cuda 13.0"),
        (Box(True, "580.65.06", (13, 0), (V100,)), "2.13.0", (12, 6), "--cuda 12.6"),
        (Box(True, "580.65.06", (13, 0), (GTX_1080,)), "2.13.0", (12, 6), "--cuda 12.6"),
        (Box(True, "535.104.05", (12, 2), (A100,)), "2.13.0", (12, 6), "--cuda 12.6"),
        (Box(True, "525.60.13", (12, 0), (T4,)), "2.13.0", (12, 6), "--cuda 12.6"),
        # Volta and Blackwell share one build, in 2.8 to 2.10 only.
        (Box(True, "580.65.06", (13, 0), (V100, RTX_5090)), "2.10.0", (12, 8), "--cuda 12.8"),
        (Box(True, "580.65.06", (13, 0), (L4, H100)), "2.13.0", (13, 0), "--cuda 13.0"),
        # Where the driver's library is newer than the driver (forward compatibility).
        (
            Box(True, "535.104.05", (13, 0), (H100,), has_compat_library=True),
            "2.13.0",
            (13, 0),
            "--cuda 13.0",
        ),
        (Box(True, "570.133.20"), "2.13.0", (12, 6), "--cuda 12.6"),
        (Box(True), "2.13.0", (13, 0), "--cuda 13.0"),
        (Box(False, python=(3, 13), glibc=(2, 39)), "2.13.0", (13, 0), "--replace-torch"),
        (Box(True, "580.65.06", (13, 0), (H100,), machine="aarch64"), "2.13.0", (13, 0), "13.0"),
    ],
)
def test_the_torch_that_fits(box: Box, torch: str, cuda: tuple[int, int], command: str) -> None:
    answer = solve(box, "2.13.0")
    assert isinstance(answer, Fit), answer
    assert (answer.torch, answer.cuda) == (torch, cuda)
    assert answer.command(replace_torch=True).endswith(command)


@pytest.mark.parametrize(
    ("box", "reason", "advice"),
    [
        (Box(True, "470.256.02", (11, 4), (A100,)), "driver 525", "Change to a host"),
        (Box(True, "", (11, 4)), "CUDA up to 11.4", "Change to a host"),
        (Box(True, "580.65.06", (13, 0), ((3, 7),)), "capability 3.7", "Change to a host"),
        (Box(True, "535.104.05", (12, 2), (V100, H100, (3, 7))), "all cards", "=1"),
        (Box(True, "580.65.06", (13, 0), (P100, RTX_5090)), "all cards", "VISIBLE_DEVICES=1"),
        (Box(False, glibc=(2, 27)), "glibc 2.28", "newer image"),
        (Box(False, python=(3, 10)), "Python 3.10", "Python 3.11"),
        (Box(False, python=(3, 16)), "Python 3.16", "or older"),
    ],
)
def test_no_torch_fits_and_why(box: Box, reason: str, advice: str) -> None:
    answer = solve(box, "2.13.0")
    assert isinstance(answer, NoFit)
    assert reason in answer.reason
    assert advice in answer.advice


def test_one_cuda_is_taken_where_it_is_asked_for() -> None:
    box = Box(True, "580.65.06", (13, 0), (H100,))
    answer = solve(box, "2.13.0", (12, 8))
    assert isinstance(answer, Fit)
    assert (answer.torch, answer.backend) == ("2.11.0", "cu128")
    refused = solve(Box(True, "535.104.05", (12, 2), (V100,)), "2.13.0", (13, 0))
    assert isinstance(refused, NoFit)
    assert "tailfin setup --cuda 12.6" in refused.advice


def test_bitsandbytes_goes_with_the_cuda_major_and_the_card() -> None:
    kinds = {card: solve(Box(True, "570.1", (12, 8), (card,)), "2.13.0") for card in (T4, (5, 2))}
    assert [kind.bitsandbytes for kind in kinds.values() if isinstance(kind, Fit)] == ["0.43.0", ""]
    newest = solve(Box(True, "580.1", (13, 0), (T4,)), "2.13.0")
    assert isinstance(newest, Fit)
    assert newest.bitsandbytes == "0.48.0"


boxes = st.builds(
    Box,
    has_gpu=st.booleans(),
    driver=st.one_of(
        st.just(""), st.integers(390, 700).map(lambda major: f"{major}.54.14"), st.just("unknown")
    ),
    cuda=st.sampled_from([(0, 0), (10, 2), (11, 4), (11, 8), (12, 0), (12, 2), (12, 8), (13, 0)]),
    capabilities=st.lists(st.sampled_from(CARDS), max_size=4).map(tuple),
    glibc=st.sampled_from([(0, 0), (2, 17), (2, 27), (2, 28), (2, 35), (2, 41)]),
    python=st.sampled_from([(0, 0), *((3, minor) for minor in range(8, 17))]),
    machine=st.sampled_from(["x86_64", "aarch64"]),
    has_compat_library=st.booleans(),
)
tested_releases = st.sampled_from([row.version for row in RELEASES])
asked = st.one_of(st.none(), st.sampled_from(known_cuda("9.9")))


@given(box=boxes, tested=tested_releases, cuda=asked)
def test_what_is_proposed_can_run(box: Box, tested: str, cuda: tuple[int, int] | None) -> None:
    answer = solve(box, tested, cuda)
    if isinstance(answer, NoFit):
        assert answer.reason
        assert answer.advice
        return
    assert not older(tested, answer.torch)
    assert not older(answer.torch, MIN_TORCH)
    assert cuda in (None, answer.cuda)
    (row,) = (row for row in RELEASES if row.version == answer.torch)
    assert answer.cuda in row.builds
    assert box.glibc in ((0, 0), max(box.glibc, (2, 28)))
    assert box.python == (0, 0) or max(row.pythons[0], (3, 11)) <= box.python <= row.pythons[1]
    if not box.has_gpu:
        return
    if box.machine == "x86_64":
        assert all(has_code(row.builds[answer.cuda], card) for card in box.capabilities)
    assert missing_code(answer.torch, answer.cuda, box.capabilities, box.machine) == []
    assert box.cuda == (0, 0) or box.cuda[0] >= answer.cuda[0]
    digits = box.driver.partition(".")[0]
    if digits.isdecimal() and not (box.has_compat_library and box.cuda[0]):
        assert int(digits) >= min_driver(answer.cuda[0])


@given(box=boxes, tested=tested_releases)
def test_the_command_of_an_answer_leads_to_it_again(box: Box, tested: str) -> None:
    answer = solve(box, tested)
    if isinstance(answer, Fit):
        *_, last = answer.command(replace_torch=True).split()
        again = solve(box, tested, read_cuda(last))
        assert isinstance(again, Fit)
        assert (again.torch, again.cuda) == (answer.torch, answer.cuda)


@pytest.mark.parametrize(
    ("version", "cuda", "card", "missing"),
    [
        ("2.8.0+cu128", (12, 8), V100, False),
        ("2.7.1+cu128", (12, 8), V100, True),
        ("2.11.0+cu128", (12, 8), V100, True),
        ("2.9.1", (12, 8), V100, False),
        ("2.6.0+cu124", (12, 4), RTX_5090, True),
        ("2.12.0+cu126", (12, 6), RTX_5090, True),
        ("2.13.0+cu130", (13, 0), SPARK, False),
        ("2.16.0+cu140", (14, 0), T4, False),
        ("2.16.0+cu140", (14, 0), (13, 0), False),  # later than the table: not judged
        ("2.9.0a0+145a3a7bda.nv25.10", (13, 0), V100, False),  # a vendor's own build
    ],
)
def test_cards_a_build_has_no_code_for(
    version: str, cuda: tuple[int, int], card: tuple[int, int], missing: bool
) -> None:
    assert missing_code(version, cuda, [card]) == ([card] if missing else [])


@pytest.mark.parametrize(
    ("text", "cuda"),
    [("12.8", (12, 8)), ("cu126", (12, 6)), ("130", (13, 0)), ("12", None), ("x.y", None)],
)
def test_ways_to_name_a_cuda_release(text: str, cuda: tuple[int, int] | None) -> None:
    assert read_cuda(text) == cuda
