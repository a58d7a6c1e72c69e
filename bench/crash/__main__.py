"""`python -m bench.crash [--quick] [NAME…]`: what was tried, and what was lost, in CRASH.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.crash import failing, fuzz, hostile, kill, load, missed
from bench.crash.sandbox import Fault
from bench.crash.scenario import Scenario
from bench.figures import commit, machine

TABLE = Path(__file__).parent.parent / "CRASH.md"
NOTES = "<!-- What follows is kept as it is. -->"
HEADER = "| fault | tries | losses | what it took | by | when |\n|---|---|---|---|---|---|\n"

Kind = Callable[[Path, bool], Iterator[Fault]]


def _crash(folder: Path, quick: bool) -> Iterator[Fault]:
    scenario = Scenario(folder / "crash")
    yield from kill.at_random(scenario, 8 if quick else 200)
    yield from kill.at_steps(scenario, 1 if quick else 6)
    yield from kill.in_a_backup(scenario, 1 if quick else 4)
    yield from kill.of_the_trainer(scenario, 1 if quick else 5)
    yield from kill.in_migration(scenario, 3 if quick else 12)


def _switch(folder: Path, quick: bool) -> Iterator[Fault]:
    from tests.support import uform_checkpoint

    model = uform_checkpoint.make(folder / "model")
    yield from kill.in_a_switch(Scenario(folder / "switch"), 1 if quick else 6, model)


def _load(folder: Path, quick: bool) -> Iterator[Fault]:
    yield from load.many_files(folder, 1, 2_000 if quick else 100_000)
    yield from load.many_files(folder, *((4, 300) if quick else (100, 1_000)))
    yield from load.steadily(folder, *((10, 10) if quick else (50, 600)))


KINDS: dict[str, Kind] = {
    "crash": _crash,
    "switch": _switch,
    "missed": lambda folder, quick: missed.all_of(folder, *((1, 2_000) if quick else (3, 20_000))),
    "failing": lambda folder, quick: failing.all_of(folder, 1 if quick else 3),
    "hostile": lambda folder, quick: hostile.all_of(folder, *((1, 6) if quick else (3, 60))),
    "fuzz": lambda folder, quick: fuzz.all_of(2_000 if quick else 60_000),
    "load": _load,
}


def main() -> None:
    """Torture by the names given, or by all; exit code 1 where something was lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.crash", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*KINDS, []], metavar="NAME", default=[])
    parser.add_argument("--quick", action="store_true", help="smaller; CRASH.md stays as it is")
    parser.add_argument("--scratch", type=Path, help="where to work; a folder on a real disk")
    options = parser.parse_args()
    lost = False
    for name in options.names or KINDS:
        folder = Path(tempfile.mkdtemp(prefix="crash-", dir=options.scratch))
        lines = []
        try:
            for fault in KINDS[name](folder, options.quick):
                lost |= bool(fault.losses)
                lines.append(_line(name, fault))
                print(f"{time.strftime('%H:%M:%S')} {lines[-1]}", flush=True)
                for loss in fault.losses:
                    print(f"    {loss}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if not options.quick:
            _write(name, lines)
    sys.exit(lost)


def _line(name: str, fault: Fault) -> str:
    losses = str(len(fault.losses)) if fault.losses else "0"
    when = f"{datetime.now(UTC):%Y-%m-%d}, {commit()}"
    cells = (fault.name, str(fault.tries), losses, fault.note, f"`{name}`", when)
    return f"| {' | '.join(cells)} |"


def _write(name: str, lines: list[str]) -> None:
    """Replace this kind's lines; those of the others, and the notes, stay."""
    before = TABLE.read_text(encoding="utf-8") if TABLE.exists() else ""
    table, _, notes = before.partition(NOTES)
    old = [line for line in table.splitlines() if line.startswith("| ") and "| `" in line]
    kept = {kind: [line for line in old if f"| `{kind}` |" in line] for kind in KINDS}
    kept[name] = lines
    rows = "\n".join(line for kind in KINDS for line in kept[kind])
    head = (
        "# Torture\n"
        "What was done to real daemons, how often, and what was lost: labels, dates, vectors,\n"
        "the order, or the daemon itself. Made by `make crash`; a small part of it is in\n"
        f"`make test` (tests/e2e/test_crash.py). On {machine()}.\n\n"
    )
    TABLE.write_text(f"{head}{HEADER}{rows}\n\n{NOTES}{notes or chr(10)}", encoding="utf-8")


if __name__ == "__main__":
    main()
