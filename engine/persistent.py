"""Volumes that outlive the container or instance they are mounted in, as rented boxes name them."""

from __future__ import annotations

RUNPOD_VOLUMES = ("/workspace", "/runpod-volume")
VAST_VOLUMES = ("/workspace",)
AUTODL_VOLUMES = ("/root/autodl-tmp", "/root/autodl-fs")
PAPERSPACE_VOLUMES = ("/storage", "/notebooks")
# Lambda mounts each file system by its name below this folder, never there itself.
HOLDERS = ("/lambda/nfs",)

# On a box of any kind.
PERSISTENT = (
    *RUNPOD_VOLUMES,
    *AUTODL_VOLUMES,
    *PAPERSPACE_VOLUMES,
    *HOLDERS,
    "/data",
    "/mnt/data",
)


def is_persistent(mount: str) -> bool:
    """Whether a mount point has the name of such a volume."""
    return mount in PERSISTENT or mount.startswith(tuple(f"{path}/" for path in HOLDERS))
