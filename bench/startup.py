"""How long `imgscore --help` takes, against a Python that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, Setting, median_seconds

MOST_SECONDS = 0.3


def measure(setting: Setting) -> Iterator[Figure]:
    """Medians of several starts, one kind after the other."""
    script = Path(sys.executable).with_name("imgscore")
    repeats = setting.either(5, 21)
    places = ("CONFIG_HOME", "DATA_HOME", "CACHE_HOME", "RUNTIME_DIR")
    environment = os.environ | {f"XDG_{place}": str(setting.scratch) for place in places}

    def start(*command: str) -> float:
        return median_seconds(
            lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment),
            repeats,
        )

    start(str(script), "--help")
    bare = start(sys.executable, "-c", "pass")
    for verb in ("--help", "status"):
        seconds = start(str(script), verb)
        yield Figure(
            f"`imgscore {verb}`",
            f"{seconds * 1000:.0f} ms",
            f"{bare * 1000:.0f} ms, `python -c pass`",
            seconds / bare,
            f"≤ {MOST_SECONDS * 1000:.0f} ms" if verb == "--help" else "",
            seconds <= MOST_SECONDS if verb == "--help" else None,
        )
