"""The figures that a benchmark returns, the table in RESULTS.md, and helpers of all benchmarks."""

from __future__ import annotations

import math
import os
import platform
import random
import re
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

RESULTS = Path(__file__).parent / "RESULTS.md"
NOTES = "<!-- Notes: a rerun keeps everything below this line. -->"
HEADER = """| measurement | figure | baseline | ratio | target | met | command | when |
|---|---|---|---|---|---|---|---|
"""
Value = TypeVar("Value")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


class Figure(NamedTuple):
    """One measured figure, and a baseline that was measured in the same run."""

    name: str
    """what was measured, for the table"""
    figure: str
    """with its unit"""
    baseline: str = ""
    """the figure of the minimum of work that any program must do, or of an earlier program"""
    ratio: float | None = None
    """figure / baseline"""
    target: str = ""
    met: bool | None = None
    """whether the figure reaches the target; None: no target"""


@dataclass(frozen=True)
class Setting:
    """The images, the size and the folder of one run of a benchmark."""

    corpus: tuple[Path, ...]
    quick: bool
    """a smaller run"""
    scratch: Path
    """an empty folder on a real disk; it is deleted after the run"""

    def images(self, count: int, seed: int = 1, suffixes: frozenset[str] = SUFFIXES) -> list[Path]:
        """At most `count` random files of the corpus; the same files for the same seed."""
        paths = [path for path in self.corpus if path.suffix.lower() in suffixes]
        return random.Random(seed).sample(paths, min(count, len(paths)))

    def choose(self, quick: Value, full: Value) -> Value:
        """`quick` in a quick run, `full` in a full run."""
        return quick if self.quick else full


def list_images(folder: Path) -> tuple[Path, ...]:
    """All images under a folder, sorted, without hidden files and folders."""
    paths = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    return tuple(sorted(paths))


def cores() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def repeated(work: Callable[[], bool | None], seconds: float) -> Iterator[None]:
    """Call `work` in a thread until the block ends, or until `work` returns False.

    `seconds`: the pause before each call.
    """
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds) and work() is not False:
            pass

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def time_call(work: Callable[[], object]) -> float:
    """Seconds of wall time that one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """The median wall time of `repeats` calls, in seconds."""
    return statistics.median(time_call(work) for _ in range(repeats))


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest of the values such that at least `share` (0 to 1) of them are not larger."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def describe_machine() -> str:
    """CPU, cores, memory, system, and versions of Python and the main packages, on one line."""
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    from importlib.metadata import version

    packages = ", ".join(
        f"{name} {version(name)}" for name in ("numpy", "onnxruntime", "Pillow", "lmdb", "watchdog")
    )
    return (
        f"{model}, {cores()} cores, {memory:.0f} GB; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}; {packages}"
    )


def describe_commit() -> str:
    """The id of the measured commit, with a + if the working tree has changes."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=RESULTS.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() or "unknown commit"


def format_row(bench: str, figure: Figure, when: str) -> str:
    """A row of the table."""
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    met = {True: "yes", False: "**no**", None: ""}[figure.met]
    cells = (figure.name, figure.figure, figure.baseline, ratio, figure.target, met)
    return f"| {' | '.join(cells)} | `python -m bench {bench}` | {when} |"


def merge_rows(before: str, rows: dict[str, list[str]], head: str, order: Iterable[str]) -> str:
    """The text of RESULTS.md with the given rows replaced; other rows and the notes stay.

    `rows`: name of a benchmark → its rows. `order`: the names of all benchmarks.
    """
    table, _, notes = before.partition(NOTES)
    merged: dict[str, list[str]] = {}
    for line in table.splitlines():
        name = re.search(r"\| `python -m bench (\w+)` \|", line)
        if name:
            merged.setdefault(name[1], []).append(line)
    merged |= rows
    lines = [line for name in order for line in merged.get(name, [])]
    return f"{head}\n\n{HEADER}" + "\n".join(lines) + f"\n\n{NOTES}{notes or chr(10)}"
