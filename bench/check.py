"""`python -m bench.check`: has anything become slower? Ratios only, against bench/baseline.json.

Each probe is measured in CPU time beside a reference of like nature, by turns, so that what else
the machine does meets both; the median of the pairs counts. Exit code 1 on a loss.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from bench.probes import Probe, probes

BASELINE = Path(__file__).parent / "baseline.json"
MAX_LOSS = 0.15
# A probe that looks slower is measured again so often: noise goes, a loss stays.
ROUNDS = 4
QUICK_PAIRS, PAIRS = 7, 21


class Loss(NamedTuple):
    """A probe that costs more than it did, in units of its reference."""

    name: str
    before: float
    now: float

    @property
    def share(self) -> float:
        """0.2 = it takes a fifth longer."""
        return self.now / self.before - 1


def losses(
    baseline: Mapping[str, float], measured: Mapping[str, float], most: float = MAX_LOSS
) -> list[Loss]:
    """Probes that lost more than `most`, the worst first. One without a baseline is no loss."""
    found = [Loss(name, baseline[name], now) for name, now in measured.items() if name in baseline]
    return sorted((one for one in found if one.share > most), key=lambda one: -one.share)


def measured(some: Iterable[Probe], pairs: int, before: dict[str, list[float]]) -> dict[str, float]:
    """The median ratio of each probe over all pairs so far; `before` keeps them."""
    for probe in some:
        ratios = before.setdefault(probe.name, [])
        if not ratios:
            probe.seconds(), probe.reference_seconds()  # caches and lazy imports
        ratios += [probe.seconds() / probe.reference_seconds() for _ in range(pairs)]
    return {name: statistics.median(ratios) for name, ratios in before.items()}


def main() -> int:
    """Exit code 1 on a loss, and where a probe and the baseline do not know each other."""
    parser = argparse.ArgumentParser(prog="python -m bench.check", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pairs, as in CI")
    parser.add_argument("--write", action="store_true", help="make this the baseline")
    parser.add_argument("--scratch", type=Path, help="where to work; default: a temporary folder")
    options = parser.parse_args()
    pairs = QUICK_PAIRS if options.quick else PAIRS
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        every = list(probes(Path(scratch)))
        ratios: dict[str, list[float]] = {}
        found = measured(every, pairs, ratios)
        if options.write:
            text = json.dumps({name: round(ratio, 4) for name, ratio in found.items()}, indent=2)
            BASELINE.write_text(text + "\n", encoding="utf-8")
            print(text)
            return 0
        baseline: dict[str, float] = json.loads(BASELINE.read_text(encoding="utf-8"))
        for _ in range(ROUNDS - 1):
            slower = {one.name for one in losses(baseline, found)}
            found = measured([one for one in every if one.name in slower], pairs, ratios)
    for line in _table(baseline, found):
        print(line)
    strangers = baseline.keys() ^ found.keys()
    if strangers:
        print(f"new or gone: {', '.join(sorted(strangers))}; python -m bench.check --write")
    return int(bool(losses(baseline, found) or strangers))


def _table(baseline: Mapping[str, float], found: Mapping[str, float]) -> Iterator[str]:
    lost = {one.name for one in losses(baseline, found)}
    yield f"{'CPU time, in units of its reference':<40} {'baseline':>9} {'now':>9} {'change':>8}"
    for name, ratio in found.items():
        before = baseline.get(name)
        change = "" if before is None else f"{ratio / before - 1:+.0%}"
        verdict = "  LOST" if name in lost else ""
        yield f"{name:<40} {before or 0:>9.3f} {ratio:>9.3f} {change:>8}{verdict}"


if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy: one thread each
        os.environ[name] = "1"
    sys.exit(main())
