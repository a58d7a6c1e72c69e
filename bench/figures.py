"""What a bench gives, the table that keeps it, and what every bench needs to make it."""

from __future__ import annotations

import math
import os
import platform
import random
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

RESULTS = Path(__file__).parent / "RESULTS.md"
NOTES = "<!-- Notes: what stands below this line is written by hand, and a rerun keeps it. -->"
HEADER = """| what | figure | floor | ratio | target | met | command | when |
|---|---|---|---|---|---|---|---|
"""
Value = TypeVar("Value")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


class Figure(NamedTuple):
    """One measured figure beside the floor that was measured in the same run.

    `met`: whether it reaches its target; None where it has none.
    """

    what: str
    figure: str
    floor: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Setting:
    """How to measure: with which images, how long, and where to write.

    `scratch` is an empty folder on a real disk, deleted after the bench.
    """

    corpus: tuple[Path, ...]
    quick: bool
    scratch: Path

    def images(self, count: int, seed: int = 1, suffixes: frozenset[str] = SUFFIXES) -> list[Path]:
        """At most `count` files of the corpus, chosen by chance; the same for the same seed."""
        fitting = [path for path in self.corpus if path.suffix.lower() in suffixes]
        return random.Random(seed).sample(fitting, min(count, len(fitting)))

    def either(self, quick: Value, full: Value) -> Value:
        """The one value in a quick run, the other in a full one."""
        return quick if self.quick else full


def corpus_of(folder: Path) -> tuple[Path, ...]:
    """Every image under a folder, hidden ones apart, in a fixed order."""
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    return tuple(sorted(found))


def cores() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0))


def seconds_of(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """The median of the wall seconds of some calls."""
    return statistics.median(seconds_of(work) for _ in range(repeats))


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def machine() -> str:
    """The machine in a line: CPU, cores, memory, system, Python and the parts' versions."""
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    from importlib.metadata import version

    parts = ", ".join(
        f"{name} {version(name)}" for name in ("numpy", "onnxruntime", "Pillow", "lmdb", "watchdog")
    )
    return (
        f"{model}, {cores()} cores, {memory:.0f} GB; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}; {parts}"
    )


def commit() -> str:
    """The commit that was measured, with a + where the tree has changes."""
    here = RESULTS.parent
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=here, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip() or "unknown commit"


def row(bench: str, figure: Figure, when: str) -> str:
    """A figure as a line of the table."""
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    met = {True: "yes", False: "**no**", None: ""}[figure.met]
    cells = (figure.what, figure.figure, figure.floor, ratio, figure.target, met)
    return f"| {' | '.join(cells)} | `python -m bench {bench}` | {when} |"


def merged(before: str, rows: dict[str, list[str]], head: str, order: Iterable[str]) -> str:
    """The results' text with the rows of some benches replaced; other rows and the notes stay."""
    table, _, notes = before.partition(NOTES)
    kept: dict[str, list[str]] = {}
    for line in table.splitlines():
        named = re.search(r"\| `python -m bench (\w+)` \|", line)
        if named:
            kept.setdefault(named[1], []).append(line)
    kept |= rows
    lines = [line for name in order for line in kept.get(name, [])]
    return f"{head}\n\n{HEADER}" + "\n".join(lines) + f"\n\n{NOTES}{notes or chr(10)}"
