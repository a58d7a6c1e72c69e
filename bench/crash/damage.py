"""Flips single bits in the file of a store, and checks that each flip is found or harmless.

`python -m bench.crash.damage FOLDER PART SEED COUNT` makes COUNT flips in the store in FOLDER, in a
process of its own, because a damaged page could crash LMDB. PART is "records" or "file".
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.crash.sandbox import Fault
from bench.crash.scenario import Scenario
from imgscore.errors import StoreError
from imgscore.store import checks, checksums, pages
from imgscore.store.store import Store

BATCH = 100
"""flips in one process"""

Records = list[tuple[str, bytes, bytes]]
"""table, key and stored value of each record that has a checksum"""


def run_all(scenario: Scenario, flips: int) -> Iterator[Fault]:
    """Flip `flips` bits in records that have a checksum, and as many bits anywhere in the file."""
    store = scenario.pristine / scenario.sandbox.store_folder.relative_to(scenario.sandbox.folder)
    yield _flips(store, "records", flips, "a flipped bit in a record with a checksum")
    yield _flips(store, "file", flips, "a flipped bit anywhere in the file of the store")


def _flips(store: Path, part: str, flips: int, name: str) -> Fault:
    outcomes: Counter[str] = Counter()
    losses: list[str] = []
    for seed in range(-(-flips // BATCH)):
        command = [sys.executable, "-m", "bench.crash.damage", store, part, str(seed), str(BATCH)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        outcomes.update(line for line in done.stdout.splitlines() if not line.startswith("LOSS"))
        losses += [line for line in done.stdout.splitlines() if line.startswith("LOSS")]
        if done.returncode:
            cause = signal.Signals(-done.returncode).name if done.returncode < 0 else done.stderr
            losses.append(f"seed {seed}: {cause}")
    note = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    return Fault(name, flips, losses, note)


def _make_flips(store: Path, part: str, seed: int, count: int) -> None:
    chance = random.Random(seed)
    folder = store.with_name(f"damaged-{part}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    whole = (store / "data.mdb").read_bytes()
    (folder / "data.mdb").write_bytes(whole)
    sound = _records(folder)
    for _ in range(count):
        damaged = bytearray(whole)
        if part == "records":
            where = _flip_record(damaged, sound, chance)
        else:
            bit = chance.randrange(8 * len(damaged))
            damaged[bit // 8] ^= 1 << bit % 8
            where = f"byte {bit // 8}"
        (folder / "data.mdb").write_bytes(damaged)
        outcome = _outcome(folder, sound)
        if outcome == "lost" or (part == "records" and outcome == "harmless"):
            outcome = f"LOSS: {where} ({outcome})"
        print(outcome)
    shutil.rmtree(folder)


def _flip_record(data: bytearray, sound: Records, chance: random.Random) -> str:
    """Flip one bit of a record with a checksum: in its key, its value, or its checksum."""
    table, key, value = chance.choice(sound)
    stored = key + value
    if stored not in data:
        stored = value  # a large value is in pages of its own
    bit, at = chance.randrange(8 * len(stored)), -1
    while (at := data.find(stored, at + 1)) >= 0:  # old copies are in free pages
        data[at + bit // 8] ^= 1 << bit % 8
    return f"{table} {key.hex()} bit {bit}"


def _outcome(folder: Path, sound: Records) -> str:
    try:
        pages.check(folder / "data.mdb")
        with Store(folder, readonly=True) as store, store.read() as txn:
            if any(finding.problems for finding in checks.iter_all(txn, store.file)):
                return "found in a record"
    except StoreError:
        return "found in a page"
    return "harmless" if _records(folder) == sound else "lost"


def _records(folder: Path) -> Records:
    with Store(folder, readonly=True) as store, store.read() as txn:
        return [
            (table, key, value)
            for table in sorted(checksums.TABLES)
            for key, value in txn.raw_table(table).scan()
            if key != b"schema"
        ]


if __name__ == "__main__":
    _make_flips(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
