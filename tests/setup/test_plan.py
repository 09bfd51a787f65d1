"""Which torch is kept and which is installed, box by box."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.setup import plan as plans
from engine.setup.solver import Box
from engine.setup.torch_build import TorchBuild

plan_for_new_environment = partial(plans.plan_for_new_environment, tested="2.13.0")
plan_for_this_interpreter = partial(plans.plan_for_this_interpreter, tested="2.13.0")

CUDA_13 = TorchBuild("2.13.0+cu130", "13.0", "", Path("/site/torch"))
CUDA_12 = TorchBuild("2.6.0+cu124", "12.4", "", Path("/site/torch"))
OLD = TorchBuild("2.5.1+cu121", "12.1", "", Path("/site/torch"))
CPU = TorchBuild("2.13.0+cpu", "", "", Path("/site/torch"))
NEW_DRIVER = Box(True, "580.65.06")
OLD_DRIVER = Box(True, "535.104.05")
UNKNOWN_DRIVER = Box(True, "")
NO_GPU = Box(False, "")


def yes() -> bool:
    return True


def no() -> bool:
    return False


def not_asked() -> bool:
    raise AssertionError("the slow probe must not run here")


@pytest.mark.parametrize("build", [CUDA_13, CUDA_12])
def test_a_working_torch_is_reused(build: TorchBuild) -> None:
    plan = plan_for_new_environment(build, NEW_DRIVER, yes)
    assert plan.action == "keep"
    assert build.cuda in plan.reason


def test_a_working_torch_for_an_old_driver_is_reused() -> None:
    assert plan_for_new_environment(CUDA_12, OLD_DRIVER, yes).action == "keep"
    assert plan_for_new_environment(CUDA_12, UNKNOWN_DRIVER, yes).action == "keep"


@pytest.mark.parametrize(
    ("build", "box", "word"),
    [
        (None, NEW_DRIVER, "none"),
        (None, NO_GPU, "none"),
        (OLD, NEW_DRIVER, "older than 2.6"),
        (CPU, NEW_DRIVER, "CPU build beside a GPU"),
        (CPU, NO_GPU, "CPU build"),
    ],
)
def test_another_is_installed_without_trying(build: TorchBuild | None, box: Box, word: str) -> None:
    plan = plan_for_new_environment(build, box, not_asked)
    assert plan.action == "install"
    assert word in plan.reason


def test_one_that_runs_no_kernel_is_not_reused() -> None:
    assert plan_for_new_environment(CUDA_13, NEW_DRIVER, no).action == "install"


def test_an_old_driver_gets_an_older_build() -> None:
    plan = plan_for_new_environment(None, OLD_DRIVER, not_asked)
    assert plan.fit is not None
    assert (plan.fit.torch, plan.fit.cuda) == ("2.13.0", (12, 6))
    assert "535.104.05" in plan.reason


def test_a_driver_too_old_for_every_torch_stops_before_the_download() -> None:
    box = Box(True, "470.256.02")
    with pytest.raises(TailfinError, match=r"driver 525 or newer.*470\.256\.02") as caught:
        plan_for_new_environment(None, box, not_asked)
    assert "host" in caught.value.hint
    chosen = plan_for_new_environment(None, box, not_asked, torch_index="https://x.example")
    assert (chosen.action, chosen.fit) == ("install", None)


def test_a_build_without_code_for_the_card_is_told_by_its_name() -> None:
    blackwell = Box(True, "580.65.06", capabilities=((12, 0),))
    with pytest.raises(TailfinError, match=r"no code for compute capability 12\.0") as caught:
        plan_for_this_interpreter(CUDA_12, blackwell, no)
    assert caught.value.hint.startswith("Run: tailfin setup --replace-torch --cuda 13.0  (")
    # Whoever built it for this card knows better than the table.
    assert plan_for_this_interpreter(CUDA_12, blackwell, yes).action == "keep"


def test_another_cuda_is_asked_for_by_name_and_replaces_nothing_by_itself() -> None:
    with pytest.raises(TailfinError, match=r"not a build for CUDA 12\.8") as caught:
        plan_for_this_interpreter(CUDA_13, NEW_DRIVER, not_asked, cuda=(12, 8))
    assert "--replace-torch --cuda 12.8" in caught.value.hint
    asked = plan_for_this_interpreter(
        CUDA_13, NEW_DRIVER, not_asked, cuda=(12, 8), replace_torch=True
    )
    assert asked.replace
    assert asked.fit is not None
    assert (asked.fit.torch, asked.fit.backend) == ("2.11.0", "cu128")


@pytest.mark.parametrize(
    ("build", "box"), [(CUDA_13, NEW_DRIVER), (CUDA_12, OLD_DRIVER), (CPU, NO_GPU)]
)
def test_setup_keeps_what_works_here(build: TorchBuild, box: Box) -> None:
    assert plan_for_this_interpreter(build, box, yes).action == "keep"


@pytest.mark.parametrize(
    ("build", "box", "word"),
    [
        (OLD, NEW_DRIVER, "older than"),
        (CPU, NEW_DRIVER, "CPU build beside a GPU"),
        (CUDA_13, OLD_DRIVER, "needs driver 580"),
        (CUDA_12, NEW_DRIVER, "did not run a kernel"),
    ],
)
def test_setup_never_replaces_unasked(build: TorchBuild, box: Box, word: str) -> None:
    with pytest.raises(TailfinError, match=word) as caught:
        plan_for_this_interpreter(build, box, no)
    assert "tailfin setup --replace-torch" in caught.value.hint
    asked = plan_for_this_interpreter(
        build, box, not_asked_or_no, torch_index="https://x.example", replace_torch=True
    )
    assert asked.action == "install"
    assert asked.replace


def test_setup_installs_where_there_is_none() -> None:
    plan = plan_for_this_interpreter(None, NO_GPU, not_asked)
    assert (plan.action, plan.replace) == ("install", False)


def not_asked_or_no() -> bool:
    return False
