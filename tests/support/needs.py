"""What a test needs of the machine. Where that is missing, the test is skipped.

The reason says what to install. It begins with "cannot" if there is nothing to install: only such
reasons pass under --no-skips.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def program(name: str, package: str) -> None:
    """A program in PATH, from a Debian package."""
    if shutil.which(name) is None:
        pytest.skip(f"apt install {package}")


def root(purpose: str) -> None:
    """Root; `purpose`: "to mount a file system"."""
    if os.geteuid() != 0:
        pytest.skip(f"needs root, {purpose}")


def mount(*arguments: str | Path) -> None:
    """A file system that is mounted by `mount` with these arguments."""
    root("to mount a file system")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount file systems here: {done.stderr.strip()}")
