"""What the driver's library says becomes facts; a stand-in answers as recorded boxes do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.doctor.facts import GpuFacts
from engine.doctor.gpu import ask_driver, read_gpus
from engine.doctor.gpu_facts import Health, Slice
from engine.doctor.host import Host
from engine.doctor.recorded import RecordedNvml
from tests.doctor.boxes import tree

GIB = 2**30
KNOWN = GpuFacts(("/dev/nvidia0",), trouble="its library gave no answer")
H100: dict[str, Any] = {
    "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
    "nvmlDeviceGetMemoryInfo": {"total": 80 * GIB, "free": 60 * GIB, "reserved": GIB},
    "nvmlDeviceGetCudaComputeCapability": [9, 0],
    "nvmlDeviceGetUUID": "GPU-1f2a6b1c",
    "nvmlDeviceGetPciInfo": {"busId": "00000000:3B:00.0"},
}
SYSTEM = {"nvmlSystemGetCudaDriverVersion_v2": 12080, "nvmlSystemGetDriverVersion": "570.133.20"}


def asked(root: Path, *devices: dict[str, Any], known: GpuFacts = KNOWN, **system: Any) -> GpuFacts:
    answers = {"system": {**SYSTEM, **system}, "devices": list(devices)}
    return ask_driver(known, Host({}, root, nvml=RecordedNvml(answers), probes={}))


def test_the_library_is_read_into_cards(tmp_path: Path) -> None:
    facts = asked(tmp_path, H100, {**H100, "nvmlDeviceGetUUID": "GPU-77"})
    assert (facts.driver, facts.cuda, facts.trouble) == ("570.133.20", (12, 8), "")
    first, second = facts.gpus
    assert (first.name, first.vram_gib, first.free_gib) == ("NVIDIA H100 80GB HBM3", 80, 60)
    assert (first.capability, first.pci, first.reserved_gib) == ((9, 0), "0000:3b:00", 1)
    assert (second.index, second.uuid) == (1, "GPU-77")


def test_one_card_that_is_lost_leaves_the_others(tmp_path: Path) -> None:
    facts = asked(tmp_path, H100, {**H100, "nvmlDeviceGetMemoryInfo": {"error": 15}})
    assert [card.index for card in facts.gpus] == [0]
    assert [(card.index, card.code) for card in facts.silent] == [(1, 15)]
    assert "lost" in facts.silent[0].trouble


def test_all_cards_lost_is_the_trouble_of_the_box(tmp_path: Path) -> None:
    facts = asked(tmp_path, {"nvmlDeviceGetHandleByIndex": {"error": 15}})
    assert (facts.gpus, facts.code) == ((), 15)
    assert "lost" in facts.trouble


def test_a_library_that_does_not_start(tmp_path: Path) -> None:
    facts = asked(tmp_path, H100, nvmlInit={"error": 18})
    assert facts.code == 18
    assert "mismatch" in facts.trouble


def test_no_library_is_named(tmp_path: Path) -> None:
    facts = ask_driver(KNOWN, Host({}, tmp_path, nvml=RecordedNvml({}), probes={}))
    assert "libnvidia-ml.so.1" in facts.trouble
    nothing = ask_driver(GpuFacts(), Host({}, tmp_path, nvml=RecordedNvml({}), probes={}))
    assert nothing == GpuFacts()


def test_a_card_without_memory_of_its_own(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/meminfo": "MemTotal: 134217728 kB\nMemAvailable: 125829120 kB\n"})
    card = asked(root, {"nvmlDeviceGetName": "NVIDIA GB10"}).gpus[0]
    assert (card.vram_gib, card.free_gib, card.is_shared) == (128, 120, True)


def test_a_divided_card_has_the_memory_of_its_largest_slice(tmp_path: Path) -> None:
    parts = [
        {
            "nvmlDeviceGetUUID": f"MIG-{number}",
            "nvmlDeviceGetName": "a slice",
            "nvmlDeviceGetMemoryInfo": {"total": gib * GIB, "free": gib * GIB},
        }
        for number, gib in enumerate((10, 40))
    ]
    divided = {
        **H100,
        "nvmlDeviceGetMigMode": [1, 1],
        "nvmlDeviceGetMemoryInfo": {"error": 4},
        "slices": parts,
    }
    card = asked(tmp_path, divided).gpus[0]
    assert (card.mig, card.vram_gib) == (True, 40)
    assert card.slices[0] == Slice("MIG-0", "a slice", 10, 10)


def test_health_is_read(tmp_path: Path) -> None:
    sick = {
        **H100,
        "nvmlDeviceGetCurrentClocksThrottleReasons": 0x40,
        "nvmlDeviceGetEnforcedPowerLimit": 350_000,
        "nvmlDeviceGetPowerManagementDefaultLimit": 700_000,
        "nvmlDeviceGetRemappedRows": [0, 1, 1, 0],
        "nvmlDeviceGetTotalEccErrors(1,0)": 3,
        "nvmlDeviceGetGpuFabricInfoV": {"state": 2, "status": 0},
        "nvmlDeviceGetFieldValues": [{"fieldId": 230, "nvmlReturn": 0, "value": {"uiVal": 1}}],
        "nvmlDeviceGetPersistenceMode": 0,
    }
    health = asked(tmp_path, sick).gpus[0].health
    assert (health.clock_reasons, health.power_limit_w, health.power_default_w) == (64, 350, 700)
    assert (health.remap_pending, health.remap_failed, health.ecc_uncorrected) == (True, False, 3)
    assert (health.fabric_state, health.recovery, health.persistence) == (2, 1, False)
    assert asked(tmp_path, H100).gpus[0].health == Health()


def test_peer_access_is_asked_of_desktop_cards_only(tmp_path: Path) -> None:
    desktop = {
        **H100,
        "nvmlDeviceGetName": "NVIDIA GeForce RTX 4090",
        "nvmlDeviceGetP2PStatus(0)": 0,
        "nvmlDeviceGetP2PStatus(1)": 5,
    }
    assert asked(tmp_path, desktop, desktop).p2p == ((0, 1, 5),)
    assert asked(tmp_path, H100, H100).p2p == ()


def test_processes_that_have_a_gpu_open_are_found(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/status": "Pid:\t7\nUid:\t1000\t1000\n",
            "proc/7/comm": "tailfin\n",
            "proc/7/fd/3": "/dev/nvidia0",
            "proc/81/comm": "python\n",
            "proc/81/status": "Uid:\t1000\t1000\n",
            "proc/81/fd/4": "/dev/nvidia-uvm",
            "proc/82/comm": "python\n",
            "proc/82/status": "Uid:\t0\t0\n",
            "proc/82/fd/4": "/dev/nvidia0",
            "proc/83/comm": "nvidia-smi\n",
            "proc/83/fd/4": "/dev/nvidia0",
            "proc/84/comm": "bash\n",
            "proc/84/fd/4": "/dev/pts/0",
        },
    )
    holders = asked(root, H100).holders
    assert [(one.pid, one.is_ours) for one in holders] == [(81, True), (82, False)]


def test_the_log_is_read_since_the_last_start(tmp_path: Path) -> None:
    log = (
        "kernel: NVRM: Xid (PCI:0000:3b:00): 48, pid=1, old\n"
        "kernel: Linux version 6.8.0\n"
        "kernel: NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', GPU has fallen off the bus.\n"
    )
    facts = asked(tree(tmp_path, {"var/log/kern.log": log}), H100)
    assert [(xid.code, xid.pci) for xid in facts.xids] == [(79, "0000:3b:00")]
    assert facts.log_was_read


def test_nodes_and_driver_come_from_the_tree(tmp_path: Path) -> None:
    version = (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 2024\n"
    )
    root = tree(tmp_path, {"dev/nvidia0": "", "proc/driver/nvidia/version": version})
    facts = read_gpus(Host({"CUDA_VISIBLE_DEVICES": "0"}, root))
    assert facts.nodes == ("/dev/nvidia0",)
    assert facts.driver == "550.54.15"
    assert facts.visible_devices == "0"
    assert facts.handed
    assert facts.missing_nodes == ("/dev/nvidiactl", "/dev/nvidia-uvm")


def test_cards_on_the_bus_are_seen_without_a_driver(tmp_path: Path) -> None:
    card = "sys/bus/pci/devices/0000:01:00.0"
    root = tree(
        tmp_path,
        {
            f"{card}/vendor": "0x10de\n",
            f"{card}/class": "0x030000\n",
            "sys/bus/pci/devices/0000:02:00.0/vendor": "0x10de\n",
            "sys/bus/pci/devices/0000:02:00.0/class": "0x040300\n",
            "proc/modules": "nouveau 2306048 1 - Live 0x0\n",
        },
    )
    facts = read_gpus(Host({}, root))
    assert [(one.address, one.vendor) for one in facts.pci] == [("0000:01:00.0", "NVIDIA")]
    assert facts.modules == ("nouveau",)
    assert not facts.handed
