"""The size of a base install: a new virtual environment without extras."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, Setting

MAX_MB = 300
REPOSITORY = Path(__file__).parent.parent
PREINSTALLED = ("pip", "setuptools", "wheel", "_distutils_hack", "pkg_resources")
"""packages of every virtual environment; not counted"""
BASELINE = ("numpy", "onnxruntime", "numpy.libs")
"""packages that any inference by onnxruntime needs"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Install imgscore by pip into a new virtual environment and measure the packages."""
    folder = setting.scratch / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    installed = subprocess.run(
        [*pip, "install", "--quiet", "--no-cache-dir", str(REPOSITORY)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if installed.returncode:
        yield Figure("base install", f"skipped: {installed.stderr.strip().splitlines()[-1]}")
        return
    site = next(folder.glob("lib/python*/site-packages"))
    parts = {
        part.name: _bytes(part) / 1e6
        for part in site.iterdir()
        if not part.name.startswith(PREINSTALLED)
    }
    total = sum(parts.values())
    needed = sum(parts.get(name, 0.0) for name in BASELINE)
    largest = sorted(parts, key=lambda name: -parts[name])[:6]
    listing = ", ".join(f"{name} {parts[name]:.0f}" for name in largest)
    yield Figure(
        f"base install ({listing})",
        f"{total:.0f} MB",
        f"{needed:.0f} MB, onnxruntime and numpy",
        total / needed,
        f"≤ {MAX_MB} MB",
        total <= MAX_MB,
    )


def _bytes(path: Path) -> int:
    """The disk space of a file or of all files under a folder, in bytes, as du counts it."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.lstat().st_blocks * 512 for file in files)
