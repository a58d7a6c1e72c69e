"""File systems of their own, in image files: mounted for one test, skipped where that cannot be."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, *make: str) -> Iterator[Path]:
    """A new file system made by a mkfs command; its image and mount point lie in `folder`.

    FAT is mounted by FUSE (fusefat) where the kernel has none.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    if shutil.which(make[0]) is None:
        pytest.skip(f"{make[0]} is not installed")
    image, point = folder / "disk.img", folder / "disk"
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run([*make, image], check=True, capture_output=True)
    command = ["mount", "-o", "loop", image, point]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and make[0] == "mkfs.vfat" and shutil.which("fusefat"):
        command = ["fusefat", "-o", "rw+", image, point]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not os.path.ismount(point):
        pytest.skip(f"cannot mount {make[0]}'s image here: {done.stderr.splitlines()[:1]}")
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)
