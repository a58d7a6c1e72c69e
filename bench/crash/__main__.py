"""`python -m bench.crash [--quick] [NAME…]`: runs the crash tests and writes CRASH.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.crash import (
    damage,
    failing,
    fuzz,
    hostile,
    kill,
    label_rules,
    load,
    missed,
    originals,
)
from bench.crash.sandbox import Fault
from bench.crash.scenario import Scenario
from bench.figures import describe_commit, describe_machine

TABLE = Path(__file__).parent.parent / "CRASH.md"
NOTES = "<!-- A rerun keeps everything below this line. -->"
HEADER = "| fault | tries | losses | notes | group | when |\n|---|---|---|---|---|---|\n"

Group = Callable[[Path, bool], Iterator[Fault]]


def _run_crash(folder: Path, quick: bool) -> Iterator[Fault]:
    scenario = Scenario(folder / "crash")
    yield from kill.kill_at_random(scenario, 8 if quick else 200)
    yield from kill.kill_at_steps(scenario, 1 if quick else 6)
    yield from kill.kill_during_backup(scenario, 1 if quick else 4)
    yield from kill.kill_training_worker(scenario, 1 if quick else 5)
    yield from kill.kill_during_migration(scenario, 3 if quick else 12)


def _run_switch(folder: Path, quick: bool) -> Iterator[Fault]:
    from tests.support import uform_checkpoint

    model = uform_checkpoint.make(folder / "model")
    yield from kill.kill_during_switch(Scenario(folder / "switch"), 1 if quick else 6, model)


def _run_load(folder: Path, quick: bool) -> Iterator[Fault]:
    yield from load.order_many_files(folder, 1, 2_000 if quick else 100_000)
    yield from load.order_many_files(folder, *((4, 300) if quick else (100, 1_000)))
    yield from load.add_files_steadily(folder, *((10, 10) if quick else (50, 600)))


GROUPS: dict[str, Group] = {
    "crash": _run_crash,
    "switch": _run_switch,
    "missed": lambda folder, quick: missed.run_all(folder, *((1, 2_000) if quick else (3, 20_000))),
    "failing": lambda folder, quick: failing.run_all(folder, 1 if quick else 3),
    "hostile": lambda folder, quick: hostile.run_all(folder, *((1, 6) if quick else (3, 60))),
    "fuzz": lambda folder, quick: fuzz.run_all(2_000 if quick else 60_000),
    "damage": lambda folder, quick: damage.run_all(
        Scenario(folder / "damage"), 100 if quick else 1_000
    ),
    "labels": lambda folder, quick: label_rules.run_all(500 if quick else 100_000),
    "load": _run_load,
    "originals": lambda folder, quick: originals.run_all(2_000 if quick else 100_000),
}


def main() -> None:
    """Run the named groups, or all of them; exit with 1 if something was lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.crash", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*GROUPS, []], metavar="NAME", default=[],
        help=f"one or more of {', '.join(GROUPS)}; default: all",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="run less; do not write CRASH.md")
    parser.add_argument("--scratch", type=Path, help="where to write; a folder on a real disk")
    options = parser.parse_args()
    lost = False
    for name in options.names or GROUPS:
        folder = Path(tempfile.mkdtemp(prefix="crash-", dir=options.scratch))
        lines = []
        try:
            for fault in GROUPS[name](folder, options.quick):
                lost |= bool(fault.losses)
                lines.append(_format_row(name, fault))
                print(f"{time.strftime('%H:%M:%S')} {lines[-1]}", flush=True)
                for loss in fault.losses:
                    print(f"    {loss}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if not options.quick:
            _write_table(name, lines)
    sys.exit(lost)


def _format_row(name: str, fault: Fault) -> str:
    when = f"{datetime.now(UTC):%Y-%m-%d}, {describe_commit()}"
    losses = str(len(fault.losses))
    cells = (fault.name, str(fault.tries), losses, fault.note, f"`{name}`", when)
    return f"| {' | '.join(cells)} |"


def _write_table(name: str, lines: list[str]) -> None:
    """Replace the rows of one group; keep the rows of the other groups and the notes."""
    before = TABLE.read_text(encoding="utf-8") if TABLE.exists() else ""
    table, _, notes = before.partition(NOTES)
    old = [line for line in table.splitlines() if line.startswith("| ") and "| `" in line]
    kept = {group: [line for line in old if f"| `{group}` |" in line] for group in GROUPS}
    kept[name] = lines
    rows = "\n".join(line for group in GROUPS for line in kept[group])
    head = (
        "# Crash tests\n"
        "Each row is a fault that was injected into real daemons. A loss is a lost or wrong\n"
        "label, date, vector or order, or a daemon that ended or stopped responding.\n"
        "`make crash` writes this table; `make test` runs a small part of the tests\n"
        "(tests/e2e/test_crash.py).\n"
        f"Machine: {describe_machine()}.\n\n"
    )
    TABLE.write_text(f"{head}{HEADER}{rows}\n\n{NOTES}{notes or chr(10)}", encoding="utf-8")


if __name__ == "__main__":
    main()
