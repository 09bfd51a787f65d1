"""Each fault of a GPU has its own finding with the command for this box."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.cuda_library import check_cuda_library, read_cuda_library
from engine.doctor.facts import Box, Gpu, GpuFacts
from engine.doctor.gpu_checks import CHECKS, check_cards, check_driver
from engine.doctor.gpu_facts import CudaLibrary, Health, Holder, PciGpu, SilentGpu, Slice, Xid
from engine.doctor.gpu_health import (
    check_errors,
    check_fabric,
    check_link,
    check_power,
    check_throttle,
)
from engine.doctor.gpu_present import check_nodes, check_present
from engine.doctor.gpu_sharing import (
    check_hidden,
    check_memory_taken,
    check_mixed,
    check_mode,
    check_peers,
    check_slices,
)
from engine.doctor.host import Host
from engine.doctor.platform import AUTODL, RUNPOD, Platform
from engine.findings import Finding
from tests.doctor.boxes import GPU, H100, T4, V100, box, only, tree

RTX_4090 = Gpu(0, "NVIDIA GeForce RTX 4090", 24.0, 23.5, (8, 9))
POD = Platform(RUNPOD, is_container=True)
CONTAINER = Platform(is_container=True)
OWN = Platform(is_root=False, has_sudo=True)


def with_gpu(*cards: Gpu, platform: Platform = POD, **facts: object) -> Box:
    gpu = replace(GPU, gpus=cards or (H100,), **facts)  # type: ignore[arg-type]
    return replace(box(gpu=gpu), platform=platform)


def sick(**health: object) -> Gpu:
    return replace(H100, pci="0000:3b:00", health=Health(**health))  # type: ignore[arg-type]


def silent(platform: Platform = POD, **facts: object) -> Finding:
    gpu = replace(GPU, gpus=(), **facts)  # type: ignore[arg-type]
    return only(check_present(replace(box(gpu=gpu), platform=platform)))


def test_a_good_card_has_nothing_wrong() -> None:
    findings = [found for check in CHECKS for found in check(with_gpu())]
    assert {found.severity for found in findings} <= {"ok", "skip"}


def test_every_fault_says_why_and_what_to_do() -> None:
    card = sick(ecc_uncorrected=1, clock_reasons=0x48, pcie_width=1, compute_mode=2)
    bad = replace(card, free_gib=2.0, mig=True)
    boxes = [with_gpu(bad, platform=where) for where in (POD, CONTAINER, OWN)]
    found = [one for here in boxes for check in CHECKS for one in check(here)]
    assert len([one for one in found if one.severity == "fail"]) >= 9
    for one in found:
        assert one.severity not in ("warn", "fail") or (one.why and one.fix), one


@pytest.mark.parametrize(
    ("code", "platform", "name", "fix"),
    [
        (999, POD, "gpu.access-lost", "Stop and start this pod"),
        (18, OWN, "gpu.driver-mismatch", "sudo reboot"),
        (15, POD, "gpu.lost", "change host"),
        (16, OWN, "gpu.needs-reset", "sudo nvidia-smi --gpu-reset -i 0"),
        (9, OWN, "gpu.driver-not-loaded", "sudo modprobe nvidia"),
        (4, OWN, "gpu.no-permission", "usermod -aG video"),
    ],
)
def test_a_driver_that_does_not_answer(code: int, platform: Platform, name: str, fix: str) -> None:
    # nvidia-container-toolkit#48: unknown error in a container whose host reloaded its services
    finding = silent(platform, code=code, trouble="Some Error")
    assert (finding.id, finding.severity) == (name, "fail")
    assert fix in finding.fix
    assert "Some Error" in finding.message


def test_driver_libraries_installed_inside_the_container() -> None:
    finding = silent(code=18, trouble="x", driver_packages=("libnvidia-compute-550",))
    assert "apt-get remove -y libnvidia-compute-550" in finding.fix


def test_a_binding_that_is_missing_is_no_broken_driver() -> None:
    finding = silent(trouble="nvidia-ml-py is not installed, so it was not asked")
    assert (finding.severity, finding.fix) == (
        "warn",
        "/env/bin/python -m pip install nvidia-ml-py",
    )


def test_without_any_library_of_the_driver() -> None:
    unknown = silent(code=12, trouble="was not found")
    assert unknown.severity == "warn"
    none = silent(code=12, trouble="was not found", library=CudaLibrary(was_searched=True))
    assert (none.id, none.severity) == ("gpu.no-library", "fail")


def test_one_of_two_cards_is_lost() -> None:
    lost = SilentGpu(1, "GPU is lost", 15)
    log = (Xid(79, "0000:3b:00", "GPU has fallen off the bus."),)
    finding = only(check_present(with_gpu(silent=(lost,), xids=log)))
    assert finding.severity == "fail"
    assert "Xid 79" in finding.message
    assert "CUDA_VISIBLE_DEVICES=0" in finding.fix


def test_fewer_cards_than_rented() -> None:
    assert only(check_present(with_gpu(promised=2))).id == "gpu.fewer"


def test_a_device_file_is_missing() -> None:
    here = with_gpu(missing_nodes=("/dev/nvidia-uvm",), platform=CONTAINER)
    assert "--device /dev/nvidia-uvm" in only(check_nodes(here)).fix
    assert check_nodes(with_gpu(missing_nodes=("/dev/nvidia-uvm",), makes_nodes=True)) == []


@pytest.mark.parametrize(
    ("facts", "platform", "fix"),
    [
        (GpuFacts(), Platform(), "--gpus all"),
        (GpuFacts(rented_without=True), POD, "deploy a new pod"),
        (GpuFacts(), Platform(AUTODL), "no-card mode"),
        (GpuFacts(scheduler="Slurm"), Platform(), "srun --gres=gpu:1"),
        (GpuFacts(driver="570.86.15", pci=(PciGpu("1", "NVIDIA"),)), CONTAINER, "--gpus all"),
    ],
)
def test_no_gpu_is_a_warning(facts: GpuFacts, platform: Platform, fix: str) -> None:
    # https://docs.runpod.io/references/troubleshooting/pod-migration
    finding = only(check_present(replace(box(gpu=facts), platform=platform)))
    assert (finding.id, finding.severity) == ("gpu.none", "warn")
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (GpuFacts(pci=(PciGpu("1", "NVIDIA"),)), "gpu.no-driver"),
        (GpuFacts(pci=(PciGpu("1", "NVIDIA"),), modules=("nouveau",)), "gpu.nouveau"),
        (GpuFacts(pci=(PciGpu("1", "NVIDIA"),), modules=("nvidia",)), "gpu.node-missing"),
        (GpuFacts(pci=(PciGpu("1", "AMD"),)), "gpu.other-vendor"),
    ],
)
def test_a_card_on_the_bus_that_is_not_used(facts: GpuFacts, name: str) -> None:
    assert only(check_present(replace(box(gpu=facts), platform=OWN))).id == name


def test_a_card_is_described() -> None:
    finding = only(check_cards(box()))
    assert finding.severity == "ok"
    for part in ("H100", "79.6 GiB", "79.1 GiB free", "9.0", "bfloat16"):
        assert part in finding.message
    assert "580.65.06, CUDA up to 13.0" in only(check_driver(box())).message


@pytest.mark.parametrize("card", [T4, V100])
def test_a_card_without_bf16_is_told_what_to_set(card: Gpu) -> None:
    # https://github.com/hiyouga/LLaMA-Factory/issues/3508
    finding = only(check_cards(with_gpu(card)))
    assert finding.severity == "warn"
    assert "model.dtype=float16" in finding.fix
    assert "sdpa" in finding.fix


def test_memory_held_by_somebody_else() -> None:
    # https://github.com/NVIDIA/nvidia-docker/issues/179
    taken = replace(H100, free_gib=40.0)
    finding = only(check_memory_taken(with_gpu(taken)))
    assert finding.severity == "warn"
    assert "39.6 of 79.6 GiB" in finding.message
    assert "not ours" in finding.fix
    ours = only(check_memory_taken(with_gpu(taken, holders=(Holder(81, "python"),))))
    assert ours.fix == "kill 81"
    assert not ours.safe
    full = only(check_memory_taken(with_gpu(replace(H100, free_gib=1.0))))
    assert full.severity == "fail"
    free = only(check_memory_taken(with_gpu(taken, replace(H100, index=1))))
    assert (free.fix, free.safe) == ("export CUDA_VISIBLE_DEVICES=1", True)


def test_what_the_driver_keeps_is_not_taken() -> None:
    assert check_memory_taken(with_gpu(replace(H100, free_gib=78.4))) == []
    told = replace(H100, free_gib=78.4, reserved_gib=0.3)
    assert len(check_memory_taken(with_gpu(told))) == 1


@pytest.mark.parametrize(
    ("value", "severity"),
    [
        ("", "fail"),
        ("-1", "fail"),
        ("NoDevFiles", "fail"),
        ("3", "fail"),
        ("0,0", "fail"),
        ("GPU-no", "fail"),
        ("0,3", "warn"),
        ("0,-1", None),
        ("0", None),
        ("GPU-1f", None),
        (None, None),
    ],
)
def test_cards_that_are_hidden(value: str | None, severity: str | None) -> None:
    here = with_gpu(replace(H100, uuid="GPU-1f2a"), visible_devices=value)
    findings = check_hidden(here)
    assert [one.severity for one in findings] == ([severity] if severity else [])


def test_slices() -> None:
    # https://github.com/pytorch/pytorch/issues/92315
    assert check_slices(with_gpu()) == []
    parts = (Slice("MIG-a", "s", 10.0, 9.5), Slice("MIG-b", "s", 40.0, 39.5))
    two = only(check_slices(with_gpu(replace(H100, mig=True, slices=parts))))
    assert (two.severity, two.fix) == ("warn", "export CUDA_VISIBLE_DEVICES=MIG-b")
    chosen = replace(H100, mig=True, slices=parts)
    told = only(check_slices(with_gpu(chosen, visible_devices="MIG-a")))
    assert told.severity == "info"
    assert "10.0 GiB" in told.message
    assert "40.0" not in told.message
    none = only(check_slices(with_gpu(replace(H100, mig=True), platform=OWN)))
    assert (none.id, none.severity) == ("gpu.mig-empty", "fail")
    assert none.fix == "sudo nvidia-smi -i 0 -mig 0"


def test_compute_modes() -> None:
    assert only(check_mode(with_gpu(sick(compute_mode=2)))).severity == "fail"
    assert only(check_mode(with_gpu(sick(compute_mode=3)))).severity == "warn"
    assert check_mode(with_gpu()) == []


def test_several_desktop_cards() -> None:
    pair = (RTX_4090, replace(RTX_4090, index=1))
    old = with_gpu(*pair, driver="535.129.03")
    finding = only(check_peers(old))
    assert (finding.severity, finding.safe) == ("warn", True)
    assert finding.fix == "export NCCL_P2P_DISABLE=1 NCCL_IB_DISABLE=1"
    switches = ("NCCL_P2P_DISABLE", "NCCL_IB_DISABLE")
    assert only(check_peers(with_gpu(*pair, driver="535.129.03", nccl=switches))).severity == "ok"
    apart = only(check_peers(with_gpu(*pair, driver="550.40.07", p2p=((0, 1, 5),))))
    assert apart.severity == "info"
    assert check_peers(with_gpu(RTX_4090, driver="535.129.03")) == []


def test_cards_of_several_kinds() -> None:
    cards = (RTX_4090, replace(H100, index=1))
    finding = only(check_mixed(with_gpu(*cards)))
    assert finding.fix.endswith("CUDA_VISIBLE_DEVICES=1")
    assert check_mixed(with_gpu(*cards, visible_devices="1")) == []


def test_a_fabric_that_is_not_ready() -> None:
    # https://github.com/huggingface/huggingface_hub/issues/4128
    rented = only(check_fabric(with_gpu(sick(fabric_state=2))))
    assert "802" in rented.why
    assert "change host" in rented.fix
    own = only(check_fabric(with_gpu(has_nvswitch=True, platform=OWN)))
    assert "nvidia-fabricmanager-580" in own.fix
    for fine in (sick(fabric_state=3), sick(fabric_status=3)):
        assert check_fabric(with_gpu(fine)) == []


@pytest.mark.parametrize(
    ("card", "severity"),
    [
        (sick(ecc_uncorrected=2), "fail"),
        (sick(remap_failed=True), "fail"),
        (sick(recovery=1), "fail"),
        (sick(remap_pending=True), "warn"),
        (sick(retire_pending=True), "warn"),
        (sick(retired_pages=3), "info"),
        (sick(ecc_lifetime=40), "info"),
    ],
)
def test_memory_errors(card: Gpu, severity: str) -> None:
    finding = only(check_errors(with_gpu(card)))
    assert finding.severity == severity
    assert severity == "info" or "change host" in finding.fix


def test_errors_in_the_log() -> None:
    own, other = Xid(79, "0000:3b:00", ""), Xid(79, "0000:af:00", "")
    program = Xid(31, "0000:3b:00", "")
    assert only(check_errors(with_gpu(sick(), xids=(own,)))).severity == "fail"
    assert check_errors(with_gpu(sick(), xids=(other, program))) == []
    assert only(check_errors(with_gpu(sick(), xids=(Xid(94, "0000:3b:00", ""),)))).id == "gpu.xid"


def test_what_slows_a_card_down() -> None:
    assert "heat" in only(check_throttle(with_gpu(sick(clock_reasons=0x40)))).message
    assert check_throttle(with_gpu(sick(clock_reasons=0x05, temp_c=40))) == []
    capped = only(check_power(with_gpu(sick(power_limit_w=400, power_default_w=700))))
    assert (capped.severity, "400 W" in capped.message) == ("warn", True)
    own = with_gpu(sick(power_limit_w=630, power_default_w=700), platform=OWN)
    assert only(check_power(own)).severity == "info"
    assert only(check_power(own)).fix == "sudo nvidia-smi -i 0 -pl 700"
    assert check_power(with_gpu(sick(power_limit_w=700, power_default_w=700))) == []


@pytest.mark.parametrize(
    ("width", "most", "severity"),
    [(1, 16, "warn"), (4, 4, "warn"), (8, 16, "info"), (16, 16, None), (None, None, None)],
)
def test_the_width_of_the_link(width: int | None, most: int | None, severity: str | None) -> None:
    findings = check_link(with_gpu(sick(pcie_width=width, pcie_width_max=most)))
    assert [one.severity for one in findings] == ([severity] if severity else [])


def test_a_link_that_repeats_itself() -> None:
    assert only(check_link(with_gpu(sick(pcie_replays=250_000)))).id == "gpu.pcie-replays"
    assert check_link(with_gpu(sick(pcie_replays=12))) == []


COMPAT = "usr/local/cuda-12.8/compat"
DRIVER = "usr/lib/x86_64-linux-gnu/libcuda.so.1"


def resolved(root: Path, card: Gpu = RTX_4090, **env: str) -> list[Finding]:
    library = read_cuda_library(Host(env, root, probes={}))
    return check_cuda_library(with_gpu(card, driver="535.129.03", library=library, platform=POD))


def test_the_compatibility_library_comes_first(tmp_path: Path) -> None:
    # https://github.com/mistralai/mistral-inference/issues/144
    root = tree(tmp_path, {DRIVER: "", f"{COMPAT}/libcuda.so.1": ""})
    path = "/usr/local/cuda/compat:/usr/local/nvidia/lib"
    finding = only(resolved(root, LD_LIBRARY_PATH=path))
    assert (finding.id, finding.severity) == ("gpu.cuda-compat", "fail")
    assert finding.fix == "export LD_LIBRARY_PATH=/usr/local/nvidia/lib"
    assert resolved(root) == []
    assert resolved(root, H100, LD_LIBRARY_PATH=path) == []


def test_the_loader_was_told_of_it(tmp_path: Path) -> None:
    conf = {"etc/ld.so.conf.d/00-compat.conf": f"/{COMPAT}\n"}
    root = tree(tmp_path, {DRIVER: "", f"{COMPAT}/libcuda.so.570.86.10": "", **conf})
    finding = only(resolved(root))
    assert "/etc/ld.so.conf.d/00-compat.conf && ldconfig" in finding.fix
    tree(tmp_path, {"etc/ld.so.cache": f"x\0/{DRIVER}\0"})
    assert resolved(root) == []  # the loader does not know of the folder yet


def test_a_library_for_building(tmp_path: Path) -> None:
    root = tree(tmp_path, {"usr/local/cuda/lib64/stubs/libcuda.so.1": ""})
    finding = only(resolved(root, LD_LIBRARY_PATH="/usr/local/cuda/lib64/stubs"))
    assert (finding.id, finding.fix) == ("gpu.cuda-stub", "unset LD_LIBRARY_PATH")
