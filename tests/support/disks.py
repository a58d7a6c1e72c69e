"""File systems in image files, mounted for one test."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import needs


@contextmanager
def mounted(folder: Path, *make: str) -> Iterator[Path]:
    """Make a file system with a mkfs command and mount it; gives the mount point in `folder`.

    FUSE (fusefat) mounts FAT where the kernel does not support it.
    """
    needs.root("to mount a file system")
    needs.program(make[0], "e2fsprogs dosfstools")
    image, point = folder / "disk.img", folder / "disk"
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run([*make, image], check=True, capture_output=True)
    command = ["mount", "-o", "loop", image, point]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and make[0] == "mkfs.vfat" and shutil.which("fusefat"):
        command = ["fusefat", "-o", "rw+", image, point]
        utc = {**os.environ, "TZ": "UTC"}  # otherwise its dates are off by the time zone
        done = subprocess.run(command, env=utc, capture_output=True, text=True, check=False)
    if done.returncode or not os.path.ismount(point):
        pytest.skip(f"cannot mount file systems here: {done.stderr.strip()}")
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)
