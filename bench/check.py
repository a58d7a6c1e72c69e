"""`python -m bench.check`: compares the CPU time of this working tree with an earlier commit's.

Both versions run alternately, each in its own process, and each pair of CPU times gives a ratio.
A probe counts as slower if a sign test shows with 99 % confidence that its median ratio exceeds
MAX_RATIO. The check uses no stored figures, so other machines and other days have no influence.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from bench.trees import ROOT, NoSuchCommitError, ProbeError, Runner, reference, unpack

MAX_RATIO = 1.15
"""new / old CPU time that is tolerated; a different memory layout alone can cost up to this"""
ERROR = 0.01
"""probability that one test reports a loss at a true median ratio of exactly MAX_RATIO"""
MIN_SECONDS = 0.05
"""s of CPU time: a measurement repeats a shorter probe until it takes this long"""
MIN_ROUNDS, MAX_ROUNDS = 3, 10
"""Each round starts new processes, because the memory layout of a process can slow it down by a
fifth until it ends. Probes that are undecided after MIN_ROUNDS get more rounds."""
QUICK_PAIRS, PAIRS = 3, 7
"""pairs of measurements in each round; the sign test needs seven in all to decide at ERROR"""


class Version(Protocol):
    """A version of the code, whose probes can be measured by name."""

    def seconds(self, name: str, count: int) -> float:
        """CPU seconds of `count` runs."""
        ...


class Pair(NamedTuple):
    """CPU seconds of the same work in both versions, measured in succession."""

    before: float
    now: float


Pairs = dict[str, list[Pair]]


def ratios(pairs: Iterable[Pair]) -> list[float]:
    """New time / old time of each pair: 1.2 means that the working tree takes a fifth longer."""
    return [pair.now / pair.before for pair in pairs]


def lower_bound(values: Sequence[float], error: float = ERROR) -> float:
    """A lower confidence bound of the median, at a confidence of 1 - `error`; 0.0: too few values.

    This is the one-sided bound of the sign test (Conover, Practical Nonparametric Statistics, 3.2):
    the probability that at most k of n values lie below the median is that of at most k heads in n
    tosses. It assumes no distribution, so one burst of noise affects one value only.
    """
    tail, rank = 0.0, 0
    while rank < len(values):
        tail += math.comb(len(values), rank) / 2 ** len(values)
        if tail > error:
            break
        rank += 1
    return sorted(values)[rank - 1] if rank else 0.0


def is_loss(pairs: Sequence[Pair]) -> bool:
    """Whether the working tree is slower by more than MAX_RATIO, with confidence 1 - ERROR."""
    return lower_bound(ratios(pairs)) > MAX_RATIO


def is_undecided(pairs: Sequence[Pair]) -> bool:
    """Whether the median exceeds MAX_RATIO, but too few pairs exclude that noise is the cause."""
    return statistics.median(ratios(pairs)) > MAX_RATIO and not is_loss(pairs)


def measure(before: Version, now: Version, name: str, count: int) -> list[Pair]:
    """Measure `count` pairs of one probe. The version that runs first alternates."""
    for version in (before, now):
        version.seconds(name, 1)  # fills caches, imports, compiles
    once = min(before.seconds(name, 1), now.seconds(name, 1))
    runs = max(1, math.ceil(MIN_SECONDS / once)) if once else 1
    pairs = []
    for number in range(count):
        if number % 2:
            new = now.seconds(name, runs)
            pairs.append(Pair(before.seconds(name, runs), new))
        else:
            old = before.seconds(name, runs)
            pairs.append(Pair(old, now.seconds(name, runs)))
    return pairs


def compare(reference_tree: Path, tree: Path, scratch: Path, count: int) -> tuple[Pairs, list[str]]:
    """Measure the probes that both trees have, `count` pairs a round.

    Returns the pairs by probe, and a note on each probe that cannot be compared.
    """
    pairs: Pairs = {}
    notes: list[str] = []
    names: list[str] | None = None  # not listed yet
    for number in range(MAX_ROUNDS):
        folders = [scratch / f"{number}-{version}" for version in ("before", "now")]
        for folder in folders:
            folder.mkdir()
        with Runner(reference_tree, folders[0]) as before, Runner(tree, folders[1]) as now:
            if now.error:
                raise ProbeError(now.error)
            if names is None:
                notes += _list_uncompared(before, now)
                names = [name for name in now.names if name in before.names]
            for name in names:
                pairs.setdefault(name, []).extend(measure(before, now, name, count))
        if number + 1 >= MIN_ROUNDS:
            names = [name for name in names if is_undecided(pairs[name])]
        if not names:
            break
    return pairs, notes


def _list_uncompared(before: Runner, now: Runner) -> Iterator[str]:
    if before.error:
        yield f"the earlier code stops before its last probe: {before.error}"
    yield from (f"{name}: new, not compared" for name in now.names if name not in before.names)
    yield from (f"{name}: removed, not compared" for name in before.names if name not in now.names)


def format_report(pairs: Mapping[str, Sequence[Pair]]) -> Iterator[str]:
    """The lines of a table with one row for each probe."""
    yield f"{'CPU time':<28} {'before':>9} {'now':>9} {'ratio':>6} {'minimum':>8}"
    for name, measured in pairs.items():
        median, minimum = statistics.median(ratios(measured)), lower_bound(ratios(measured))
        before, now = (statistics.median(values) for values in zip(*measured, strict=True))
        verdict = "  LOST" if is_loss(measured) else "  unclear" if is_undecided(measured) else ""
        yield (
            f"{name:<28} {before * 1e3:>6.1f} ms {now * 1e3:>6.1f} ms {median:>6.2f} "
            f"{minimum:>8.2f}{verdict}"
        )


def main() -> int:
    """Compare; returns the exit code, which is 1 if a probe is slower or fails in this tree."""
    parser = argparse.ArgumentParser(prog="python -m bench.check", description=__doc__)
    parser.add_argument(
        "--against", metavar="REV", help="the commit to compare with; default: see bench/REFERENCE"
    )
    parser.add_argument("--quick", action="store_true", help="measure fewer pairs")
    parser.add_argument(
        "--scratch", type=Path, help="where to write; default: the system's temporary folder"
    )
    options = parser.parse_args()
    commit = options.against or reference()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        scratch = Path(folder).resolve()
        try:
            earlier = unpack(commit, scratch / "reference")
        except NoSuchCommitError as error:
            print(f"cannot compare with {commit}: {error}", file=sys.stderr)
            if options.against:
                return 2
            print(
                "nothing was compared; in a shallow clone: git fetch --unshallow", file=sys.stderr
            )
            return 0
        print(f"compared with {commit}", flush=True)
        try:
            pairs, notes = compare(earlier, ROOT, scratch, QUICK_PAIRS if options.quick else PAIRS)
        except ProbeError as error:
            print(f"a probe fails: {error}", file=sys.stderr)
            return 1
    for line in (*format_report(pairs), *notes):
        print(line)
    return int(any(is_loss(measured) for measured in pairs.values()))


if __name__ == "__main__":
    sys.exit(main())
