"""Whether there is a GPU, whether it is handed to this box, and whether its driver answers."""

from __future__ import annotations

from engine.doctor.facts import Box
from engine.doctor.platform import AUTODL, COLAB, KAGGLE, RUNPOD, VAST
from engine.doctor.remedies import as_root, change_host, is_rented, restart
from engine.findings import Finding

_ON_CPU = "Training would run on the CPU, which suits tiny models only."
_NOT_STARTING = "CUDA does not start, and torch sees no GPU."
_NO_PERMISSION, _NOT_LOADED, _LIBRARY_NOT_FOUND, _LOST, _RESET = 4, 9, 12, 15, 16
_BLOCKED, _MISMATCH, _UNKNOWN = 17, 18, 999
_FELL_OFF = 79


def check_present(box: Box) -> list[Finding]:
    """Whether there is a GPU at all, and whether it answers."""
    gpu = box.gpu
    if not gpu.gpus:
        return [_no_answer(box) if gpu.handed else _absent(box)]
    findings = [_lost(box, card.index, card.trouble) for card in gpu.silent]
    found = len(gpu.gpus) + len(gpu.silent)
    if gpu.promised > found:
        message = f"This pod was rented with {gpu.promised} GPUs, the driver lists {found}."
        why = "Training runs on fewer GPUs than are paid for; a missing one is often a broken one."
        findings.append(Finding("gpu.fewer", "warn", message, change_host(box.platform), why=why))
    return findings


def check_nodes(box: Box) -> list[Finding]:
    """A device file that the library for watching does not need, but CUDA does."""
    gpu = box.gpu
    if not gpu.gpus or len(gpu.missing_nodes) != 1 or gpu.makes_nodes:
        return []  # the driver's helper makes it when CUDA starts for the first time
    return [_missing_node(box)]


def _missing_node(box: Box) -> Finding:
    missing = ", ".join(box.gpu.missing_nodes)
    message = f"{box.gpu.nodes[0]} is here, but {missing} is not."
    flags = " ".join(f"--device {node}" for node in box.gpu.missing_nodes)
    if box.platform.name in (RUNPOD, VAST, AUTODL):
        fix = f"{restart(box.platform)}. If it stays: {change_host(box.platform)}"
    elif box.platform.is_container:
        fix = f"Start the container anew with: docker run --gpus all {flags} ..."
    else:
        fix = as_root(box.platform, "nvidia-modprobe -u -c=0")
    return Finding("gpu.node-missing", "fail", message, fix, missing, _NOT_STARTING)


def _no_answer(box: Box) -> Finding:  # noqa: PLR0912 - one branch per refusal
    gpu, platform = box.gpu, box.platform
    where = ", ".join(gpu.nodes)
    message = f"A GPU is handed to this box but its driver does not answer: {gpu.trouble}."
    name, why = "gpu.no-answer", _NOT_STARTING
    fix = f"{restart(platform)}. If it stays: {change_host(platform)}"
    if "nvidia-ml-py" in gpu.trouble:
        python = box.stack.python if box.stack.is_own else "python3"
        why = "Memory, driver and health of the GPU stay unknown; training is not affected."
        return Finding(
            "gpu.not-asked", "warn", message, f"{python} -m pip install nvidia-ml-py", where, why
        )
    if "/dev/nvidiactl" in gpu.missing_nodes and gpu.code != _LIBRARY_NOT_FOUND:
        return _missing_node(box)
    if gpu.code == _LIBRARY_NOT_FOUND:
        return _no_library(box)
    if gpu.code == _LOST or any(xid.code == _FELL_OFF for xid in gpu.xids):
        return _lost(box, gpu.silent[0].index if gpu.silent else 0, gpu.trouble)
    if gpu.code == _MISMATCH:
        return _mismatch(box)
    if gpu.code == _UNKNOWN:
        name = "gpu.access-lost"
        why = (
            "The container lost its access to the GPU, as happens when services are reloaded on "
            "the host. Nothing inside brings it back; training goes on from its last checkpoint."
        )
        if not platform.is_container and not is_rented(platform):
            why = "The driver is in a state it does not name; a restart of the machine clears it."
    elif gpu.code == _RESET:
        name, why = "gpu.needs-reset", "The GPU stopped after an error and waits for a reset."
        if not is_rented(platform):
            fix = as_root(platform, f"nvidia-smi --gpu-reset -i {_first(box)}")
    elif gpu.code == _NOT_LOADED:
        name, why = "gpu.driver-not-loaded", f"The kernel has no NVIDIA driver. {_NOT_STARTING}"
        if not is_rented(platform):
            fix = as_root(platform, "modprobe nvidia")
    elif gpu.code in (_NO_PERMISSION, _BLOCKED):
        name, why = "gpu.no-permission", f"This user may not open the GPU. {_NOT_STARTING}"
        if not is_rented(platform):
            fix = as_root(platform, "usermod -aG video,render $USER") + "  (then log in again)"
    elif gpu.trouble == "it lists no card":
        name, why = "gpu.no-card", "The driver runs but finds no GPU that works."
    return Finding(name, "fail", message, fix, where, why)


def _first(box: Box) -> int:
    return box.gpu.silent[0].index if box.gpu.silent else 0


def _lost(box: Box, index: int, trouble: str) -> Finding:
    """A card that the driver lists and that no longer answers."""
    told = next((xid for xid in box.gpu.xids if xid.code == _FELL_OFF), None)
    log = f" The kernel's log says Xid {told.code}: {told.text}" if told else ""
    message = f"GPU {index} does not answer: {trouble}.{log}".rstrip(".") + "."
    why = (
        "A card that dropped off the bus (Xid 79) or waits for a reset ends every run on it; "
        "heat, power or the board is the usual cause."
    )
    fix = change_host(box.platform)
    if not is_rented(box.platform):
        fix = as_root(box.platform, "reboot")
    elif box.gpu.gpus:
        others = ",".join(str(card.index) for card in box.gpu.gpus)
        fix = f"{fix} Until then: export CUDA_VISIBLE_DEVICES={others}"
    return Finding("gpu.lost", "fail", message, fix, f"GPU {index}", why)


def _mismatch(box: Box) -> Finding:
    gpu, platform = box.gpu, box.platform
    kernel = f" (kernel: {gpu.driver})" if gpu.driver else ""
    library = f", libraries: {gpu.library.version}" if gpu.library.version else ""
    message = (
        f"The driver's libraries do not fit the loaded driver: {gpu.trouble}{kernel}{library}."
    )
    why = f"The driver was updated while it ran, or inside the container. {_NOT_STARTING}"
    if is_rented(platform) and gpu.driver_packages:
        packages = " ".join(gpu.driver_packages)
        fix = as_root(platform, f"apt-get remove -y {packages}") + f"; then: {restart(platform)}"
    elif is_rented(platform):
        fix = f"{restart(platform)}. If it stays: {change_host(platform)}"
    else:
        fix = as_root(platform, "reboot")
    return Finding("gpu.driver-mismatch", "fail", message, fix, "", why)


def _no_library(box: Box) -> Finding:
    """The container has the device but not the libraries that belong to its driver."""
    platform, library = box.platform, box.gpu.library
    message = f"{box.gpu.nodes[0] if box.gpu.nodes else 'A GPU'} is here, but {box.gpu.trouble}."
    fix = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility ..."
    fix = f"Start the container anew with: {fix}"
    if platform.name in (RUNPOD, VAST, AUTODL):
        fix = "Deploy with the template variable NVIDIA_DRIVER_CAPABILITIES=compute,utility"
    elif not platform.is_container:
        release = box.gpu.driver.partition(".")[0] or "580"
        fix = platform.install(f"nvidia-utils-{release}")
    where = ", ".join(box.gpu.nodes)
    if library.path or not library.was_searched:
        why = "Memory, driver and health of the GPU cannot be asked; torch itself may still see it."
        return Finding("gpu.no-nvml", "warn", message, fix, where, why)
    message = f"{message[:-1]}, and libcuda.so.1 neither."
    return Finding("gpu.no-library", "fail", message, fix, where, _NOT_STARTING)


def _absent(box: Box) -> Finding:
    """No GPU is handed to this box: whether there is one to be had, and how."""
    gpu, platform = box.gpu, box.platform
    vendors = {card.vendor for card in gpu.pci}
    if "NVIDIA" in vendors and not platform.is_container:
        where = next(card.address for card in gpu.pci if card.vendor == "NVIDIA")
        if gpu.driver or "nvidia" in gpu.modules:
            message = "The NVIDIA driver is loaded, but /dev holds no file of its GPU."
            fix = as_root(platform, "nvidia-modprobe -u -c=0")
            return Finding("gpu.node-missing", "fail", message, fix, where, _NOT_STARTING)
        return _no_driver(box, where)
    if vendors and "NVIDIA" not in vendors and not is_rented(platform):
        names = " and ".join(sorted(vendors))
        message = f"The only GPU here is from {names}; this program trains on NVIDIA GPUs."
        fix = "Rent or use a machine with an NVIDIA GPU, or train a tiny model on the CPU."
        return Finding("gpu.other-vendor", "warn", message, fix, gpu.pci[0].address, _ON_CPU)
    message = "There is no NVIDIA GPU here."
    if gpu.rented_without:
        message = "This pod came back without its GPU (RUNPOD_GPU_COUNT=0)."
    elif gpu.driver:
        message = f"The host has NVIDIA driver {gpu.driver}, but no GPU is handed to this box."
    return Finding("gpu.none", "warn", message, _get_one(box), why=_ON_CPU)


def _get_one(box: Box) -> str:
    ways = {
        RUNPOD: "Terminate this pod (a zero-GPU restart) and deploy a new pod on the same volume.",
        VAST: "Destroy this instance and rent one with a GPU; a stopped one gets it back only "
        "once it is free.",
        AUTODL: "Shut down and start again with a GPU: this is the no-card mode of AutoDL.",
        COLAB: "Choose Runtime > Change runtime type > GPU.",
        KAGGLE: "Choose Settings > Accelerator > GPU.",
    }
    if box.platform.name in ways:
        return ways[box.platform.name]
    if box.gpu.scheduler == "Slurm":
        return "Ask Slurm for one: srun --gres=gpu:1 --pty bash"
    if box.gpu.scheduler == "Kubernetes":
        return "Ask for one in the pod's limits: nvidia.com/gpu: 1"
    if box.platform.is_container:
        return "Start the container anew with: docker run --gpus all ..."
    return "Rent or use a machine with a GPU; in Docker: docker run --gpus all ..."


def _no_driver(box: Box, where: str) -> Finding:
    platform = box.platform
    install = platform.install("nvidia-driver")
    if "Ubuntu" in platform.distribution:
        install = f"{platform.install('ubuntu-drivers-common')} && " + as_root(
            platform, "ubuntu-drivers install"
        )
    fix = f"{install} && {as_root(platform, 'reboot')}"
    why = f"Without NVIDIA's driver there is no CUDA. {_ON_CPU}"
    if "nouveau" in box.gpu.modules:
        message = "An NVIDIA GPU is here, but the kernel drives it with nouveau."
        return Finding("gpu.nouveau", "fail", message, fix, where, why)
    message = "An NVIDIA GPU is on the PCI bus, but no driver is loaded for it."
    return Finding("gpu.no-driver", "fail", message, fix, where, why)


CHECKS = (check_present, check_nodes)
