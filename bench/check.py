"""`python -m bench.check`: has anything become slower than in an earlier commit?

The code of that commit and the working tree run by turns, each in a process of its own, and each
pair of CPU times gives a ratio. A probe is a loss where a sign test is 99 % sure that its median
ratio is above the limit. No figure of another machine or another day is used.
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
"""a loss is more than this ratio; below it lies what another layout in memory can cost"""
ERROR = 0.01
"""the chance, in one test, that a median ratio of exactly MAX_RATIO passes for more"""
MIN_SECONDS = 0.05
"""of CPU time for one measurement: the run is repeated until it lasts as long as this"""
MIN_ROUNDS, MAX_ROUNDS = 3, 10
"""A round has new processes: one can be a fifth slower from start to end, by where its memory lies.
What is undecided after MIN_ROUNDS is measured in more."""
QUICK_PAIRS, PAIRS = 3, 7
"""in each round; a sign test needs seven in all to be sure at ERROR"""


class Measured(Protocol):
    """Measures probes by name."""

    def seconds(self, name: str, count: int) -> float:
        """CPU seconds of `count` runs."""
        ...


class Pair(NamedTuple):
    """CPU seconds of the same work in both versions, measured one after the other."""

    before: float
    now: float


Pairs = dict[str, list[Pair]]


def ratios(pairs: Iterable[Pair]) -> list[float]:
    """1.2 = the working tree takes a fifth longer."""
    return [pair.now / pair.before for pair in pairs]


def lower_bound(values: Sequence[float], error: float = ERROR) -> float:
    """The true median is no smaller, with a confidence of 1 - `error`; 0.0 for too few values.

    The sign test's one-sided bound (Conover, Practical Nonparametric Statistics, 3.2): at most k of
    n values lie below the median with the probability of at most k heads in n tosses. It assumes no
    distribution, so that bursts of noise count once each.
    """
    tail, rank = 0.0, 0
    while rank < len(values):
        tail += math.comb(len(values), rank) / 2 ** len(values)
        if tail > error:
            break
        rank += 1
    return sorted(values)[rank - 1] if rank else 0.0


def is_loss(pairs: Sequence[Pair]) -> bool:
    """Whether noise does not explain that the working tree is slower by more than the limit."""
    return lower_bound(ratios(pairs)) > MAX_RATIO


def is_undecided(pairs: Sequence[Pair]) -> bool:
    """Whether it looks slower by more than the limit, but noise may explain that."""
    return statistics.median(ratios(pairs)) > MAX_RATIO and not is_loss(pairs)


def measure(before: Measured, now: Measured, name: str, count: int) -> list[Pair]:
    """So many pairs of one probe. Which version runs first changes from pair to pair."""
    for version in (before, now):
        version.seconds(name, 1)  # fills caches, imports, compiles
    once = min(before.seconds(name, 1), now.seconds(name, 1))
    runs = max(1, math.ceil(MIN_SECONDS / once)) if once else 1
    found = []
    for number in range(count):
        if number % 2:
            new = now.seconds(name, runs)
            found.append(Pair(before.seconds(name, runs), new))
        else:
            old = before.seconds(name, runs)
            found.append(Pair(old, now.seconds(name, runs)))
    return found


def compare(reference_tree: Path, tree: Path, scratch: Path, count: int) -> tuple[Pairs, list[str]]:
    """Measure the probes of both trees, `count` pairs a round; returns notes on the others too."""
    pairs: Pairs = {}
    notes: list[str] = []
    left: list[str] | None = None  # all
    for number in range(MAX_ROUNDS):
        folders = [scratch / f"{number}-{version}" for version in ("before", "now")]
        for folder in folders:
            folder.mkdir()
        with Runner(reference_tree, folders[0]) as before, Runner(tree, folders[1]) as now:
            if now.error:
                raise ProbeError(now.error)
            if left is None:
                notes += _strangers(before, now)
                left = [name for name in now.names if name in before.names]
            for name in left:
                pairs.setdefault(name, []).extend(measure(before, now, name, count))
        if number + 1 >= MIN_ROUNDS:
            left = [name for name in left if is_undecided(pairs[name])]
        if not left:
            break
    return pairs, notes


def _strangers(before: Runner, now: Runner) -> Iterator[str]:
    if before.error:
        yield f"the earlier code ends its probes early: {before.error}"
    for names, others, what in (
        (now.names, before.names, "new, so not compared"),
        (before.names, now.names, "gone, so not compared"),
    ):
        yield from (f"{name}: {what}" for name in names if name not in others)


def report(pairs: Mapping[str, Sequence[Pair]]) -> Iterator[str]:
    """A table; one line a probe."""
    yield f"{'CPU time':<28} {'before':>9} {'now':>9} {'ratio':>6} {'at least':>8}"
    for name, found in pairs.items():
        middle, least = statistics.median(ratios(found)), lower_bound(ratios(found))
        before, now = (statistics.median(values) for values in zip(*found, strict=True))
        verdict = "  LOST" if is_loss(found) else "  unclear" if is_undecided(found) else ""
        yield (
            f"{name:<28} {before * 1e3:>6.1f} ms {now * 1e3:>6.1f} ms {middle:>6.2f} {least:>8.2f}"
            f"{verdict}"
        )


def main() -> int:
    """Exit code 1 on a loss, or where a probe of the working tree fails."""
    parser = argparse.ArgumentParser(prog="python -m bench.check", description=__doc__)
    parser.add_argument("--against", metavar="REV", help="default: the one in bench/REFERENCE")
    parser.add_argument("--quick", action="store_true", help="fewer pairs")
    parser.add_argument("--scratch", type=Path, help="where to work; default: a temporary folder")
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
    for line in (*report(pairs), *notes):
        print(line)
    return int(any(is_loss(found) for found in pairs.values()))


if __name__ == "__main__":
    sys.exit(main())
