"""The device files of accelerators (GPUs), and the other files that their drivers write.

This module reads only file names, so the idle daemon can import it.
"""

from collections.abc import Iterator
from pathlib import Path

DEVICE_FILES = ("nvidia*", "nvhost*", "nvmap", "dxg", "kfd", "dri")
"""The names below /dev of the device files of CUDA (`nvidia*`, and the others for Tegra and WSL)
and of ROCm (kfd, dri). CUDA was tried on an H100 and an H200. The names for Tegra, WSL and ROCm
come from their documentation and were not tried."""
MARKS = ("nvidiactl", "nvhost-ctrl", "nvmap", "dxg", "kfd")
"""The device files that exist only if a driver of CUDA or ROCm is loaded. The folder /dev/dri is
not one of them, because it also belongs to displays."""


def is_present(dev: Path = Path("/dev")) -> bool:
    """Return whether this machine has a device that CUDA or ROCm can use."""
    return any((dev / name).exists() for name in MARKS)


def device_files(dev: Path = Path("/dev")) -> list[Path]:
    """Return the device files and the folders of device files that a driver opens for writing."""
    return [path for pattern in DEVICE_FILES for path in sorted(dev.glob(pattern))]


def written_by_this_process() -> Iterator[Path]:
    """Yield the files and folders that the driver writes if this process uses an accelerator.

    CUDA names its threads by writing /proc/self/task/TID/comm, and its initialisation fails if
    this write is refused.
    """
    yield from device_files()
    yield Path("/proc/self/task")


def written_by_children() -> Iterator[Path]:
    """Yield the files and folders that the driver writes if a later child process uses it.

    The process ids of later children are unknown, so this includes all of /proc. The kernel checks
    every write in /proc for each file; with Landlock, the memory of other processes stays closed.
    """
    yield from device_files()
    yield Path("/proc")
