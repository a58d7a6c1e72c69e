"""Random changes of files, compared with a model of whose original date is whose (docs/dates.md).

The engine runs in this process, on real files and a real store, with a kill at random failpoints.
`python -m bench.crash originals` does 100,000 steps.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.crash.original_files import FOLDERS, SECOND, Files, Inode
from bench.crash.sandbox import Fault, LostError
from imgscore import failpoints
from imgscore.reconcile import identity
from imgscore.store import journal, originals, scores, sightings
from imgscore.store.transaction import Txn
from tests.integration.engine.conftest import ask

HOUR = 3_600 * SECOND
MAX_MOVES = 2_000
"""differences of dates by which shifts can have moved a date, so that a check stays fast"""
STEPS_OF_A_WORLD = 250
"""steps until a new world begins, with an empty store"""


class KilledError(BaseException):
    """The simulated end of the process."""


@dataclass
class Snapshot:
    """A backup of all files: the file in the model, and its date, by path."""

    files: dict[Path, tuple[Inode, int]] = field(default_factory=dict)


class Model(Files):
    """The files, with changes of many of them, and the checks of their dates."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed)
        self.snapshots: list[Snapshot] = []
        self.moves: set[int] = {0}
        """the differences by which the shifts so far can have moved a date"""
        self.deltas: set[int] = {0}
        """the differences of the shifts so far"""
        self._touches = 0
        """the number of the last entry of the journal that was read"""

    # ---- steps

    def step(self) -> int:
        """Change some files, let imgscore see them, and compare; returns the number of changes."""
        self._busy.clear()
        alone: list[Callable[[], object]] = [
            self.shift, self.shift, self.back_up, self.restore_backup, self.give_one_date,
            self.restore_times, self.order, self.order, self.undo,
        ]  # fmt: skip
        each: list[Callable[[], object]] = [
            self.add, self.rename, self.move, self.move, self.edit, self.edit, self.edit_with_date,
            self.copy, self.copy_plainly, self.copy_over, self.link, self.wish, self.delete,
            self.sync, self.edit_copy,
        ]  # fmt: skip
        changes = 0
        if self.chance.random() < 0.3 and len(self.files) > 4:
            self.chance.choice(alone)()
            changes = 1
        else:
            for _ in range(self.chance.choice((1, 1, 2, 4))):
                change = self.add if len(self.files) < 6 else self.chance.choice(each)
                change()
                changes += 1
        self._scan(kill=self.chance.random() < 0.2)
        self._compare()
        return changes

    def _scan(self, *, kill: bool) -> None:
        """Let imgscore compare the files with its store, and order them."""
        if kill:
            left = self.chance.randrange(1, 40)

            def count_down(_name: str) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    raise KilledError

            failpoints.arm(count_down)
            try:
                self.world.settled()
            except KilledError:
                self.log.append("killed")
            finally:
                failpoints.arm(lambda _name: None)
        self.world.settled()

    def _see_touches(self, txn: Txn) -> None:
        """Note the dates that imgscore set since the last call: a copy may have any of them."""
        entries = itertools.takewhile(
            lambda entry: entry[0] > self._touches, journal.newest_first(txn)
        )
        for number, touch in list(entries)[::-1]:
            self._touches = number
            inode = self.files.get(Path(os.fsdecode(touch.path)))
            if inode is not None:
                key = inode.content, touch.after_ns
                self.seen.setdefault(key, set()).update(inode.accepted)

    def _compare(self) -> None:
        with self.world.engine() as engine, engine.ctx.store.read() as txn:
            self._see_touches(txn)
            for path, inode in self.files.items():
                raw, mtime_ns = os.fsencode(path), path.stat().st_mtime_ns
                sighting = sightings.find(txn, raw)
                if sighting is None:
                    raise LostError(f"{path} has no sighting")
                found = identity.find(txn, sighting.digest, raw, mtime_ns)
                original = None if found is None else found.original
                ours = original is not None and originals.is_ours(original, mtime_ns)
                restored = original.original_ns if original is not None and ours else mtime_ns
                self._check(path, inode, mtime_ns, restored)
                self.seen.setdefault((inode.content, mtime_ns), set()).update(inode.accepted)

    def _check(self, path: Path, inode: Inode, date: int, restored: int) -> None:
        """`date`: the present date of the file. `restored`: the date that imgscore restores."""
        moves = self.moves if inode.moved else {0}
        if any(restored - original in moves for original in inode.accepted):
            return
        # Another file with these bytes may have had this date, or one that a shift moved to it.
        for delta in self.deltas:
            if restored in self.seen.get((inode.content, date - delta), ()):
                inode.accepted = inode.accepted | {restored}
                return
        raise LostError(f"{path}: {restored} instead of {inode.accepted}")

    def sync(self) -> None:
        """Move a file as a sync program does: copy it, and delete it later."""
        path = self._take()
        if path is None:
            return
        target = self._free_path(self.chance.choice(FOLDERS))
        self._copy(path, target)
        if self.chance.random() < 0.5:
            self.world.settled()
            with self.world.engine() as engine, engine.ctx.store.read() as txn:
                self._see_touches(txn)
            self.files[target].accepted |= self.files[path].accepted
        self._note("sync", path, target)
        path.unlink()
        del self.files[path]

    # ---- changes of many files

    def shift(self) -> None:
        """Move the dates of all files, or of at least five, by one difference."""
        delta = self.chance.choice((HOUR, -HOUR, 5 * HOUR, -45 * 60 * SECOND, 37 * SECOND, -1_234))
        names = sorted(self.files, key=os.fsencode)
        if self.chance.random() < 0.3:
            names = self.chance.sample(names, max(5, len(names) // 2)) if len(names) > 5 else names
        inodes: dict[int, Path] = {id(self.files[path]): path for path in names}
        if len(inodes) < 4:
            return
        self.deltas |= {delta, -delta}
        if len(self.moves) < MAX_MOVES:
            self.moves |= {move + sign * delta for move in self.moves for sign in (1, -1)}
        self._note(f"shift {delta}", *names)
        for path in inodes.values():
            inode, date = self.files[path], path.stat().st_mtime_ns
            if any(date - original in self.moves for original in inode.accepted):
                inode.moved = True
                inode.accepted = inode.accepted | {date + delta}
            os.utime(path, ns=(0, date + delta))
            # An order can replace the date at once, and a copy that was made before can have it.
            self.seen.setdefault((inode.content, date + delta), set()).update(inode.accepted)

    def give_one_date(self) -> None:
        """Set one date for several files, as `touch -d` does."""
        date = self._date()
        names = self.chance.sample(sorted(self.files, key=os.fsencode), 3)
        self._note("give_one_date", *names)
        for path in names:
            self._set_date(path, self.files[path], date)

    def back_up(self) -> None:
        """Copy all files, with their dates, to a backup."""
        snapshot = Snapshot()
        for path, inode in self.files.items():
            copy = Inode(inode.content, set(inode.accepted), inode.moved)
            snapshot.files[path] = copy, path.stat().st_mtime_ns
        self.snapshots = [*self.snapshots[-30:], snapshot]
        self._note("back_up")

    def restore_backup(self) -> None:
        """Restore all files, or one file, from any earlier backup."""
        if not self.snapshots:
            return
        snapshot = self.chance.choice(self.snapshots)
        names = sorted(snapshot.files, key=os.fsencode)
        if not names:
            return
        if self.chance.random() < 0.5:
            names = [self.chance.choice(names)]
        self._note("restore_backup", *names)
        for path in names:
            saved, date = snapshot.files[path]
            path.unlink(missing_ok=True)
            path.write_text(saved.content)
            os.utime(path, ns=(0, date))
            known = self.seen.get((saved.content, date), set())
            # After a shift, a backup moves dates that nobody touched back, like another shift.
            moved = len(self.moves) > 1 and date in saved.accepted
            self.files[path] = Inode(saved.content, saved.accepted | known, saved.moved or moved)

    def restore_times(self) -> None:
        """Run `restore-times`, before or after a scan, and check all dates on the disk."""
        self._note("restore_times")
        with self.world.engine() as engine:
            if self.chance.random() < 0.5:
                self.world.settle(engine)
            dates = {path: path.stat().st_mtime_ns for path in self.files}
            rows = ask(engine, "restore-times")
            failed = [row for row in rows if row["error"]]
            if failed:
                raise LostError(f"restore-times: {failed}")
        for path, inode in self.files.items():
            date = path.stat().st_mtime_ns
            self._check(path, inode, dates[path], date)
            self.seen.setdefault((inode.content, date), set()).update(inode.accepted)

    def order(self) -> None:
        """Give some images other scores, and order the inbox."""
        self._note("order")
        with self.world.engine() as engine:
            with engine.ctx.store.write() as txn:
                for sighting in sorted(sightings.iter_all(txn), key=lambda file: file.path):
                    if self.chance.random() < 0.3:
                        packed = scores.pack(sighting.digest, self.chance.random(), 0.0)
                        scores.record(txn, "default", "1", packed)
            ask(engine, "order")
            with engine.ctx.store.read() as txn:
                self._see_touches(txn)

    def undo(self) -> None:
        """Undo the last order."""
        self._note("undo")
        with self.world.engine() as engine:
            try:
                ask(engine, "undo", what="order")
            except Exception as error:
                if "no ordering" not in str(error):
                    raise


def run_world(folder: Path, seed: int, steps: int) -> tuple[int, str]:
    """Do steps in a new world. Returns the number of steps, and what was lost, or ""."""
    model, done = Model(folder, seed), 0
    try:
        while done < steps:
            done += model.step()
    except LostError as error:
        return done, f"seed {seed}, after {done} steps: {error}; last: {'; '.join(model.log[-12:])}"
    return done, ""


def run_all(steps: int, first_seed: int = 0) -> Iterator[Fault]:
    """Do random steps in one world after the other, in memory if possible."""
    memory = Path("/dev/shm")
    done, losses, seed, began = 0, [], first_seed, time.monotonic()
    while done < steps:
        with tempfile.TemporaryDirectory(
            dir=memory if os.access(memory, os.W_OK) else None
        ) as folder:
            count, loss = run_world(Path(folder), seed, min(STEPS_OF_A_WORLD, steps - done))
        done, seed = done + max(count, 1), seed + 1
        losses += [loss] if loss else []
    note = f"{done:,} steps in {seed - first_seed} stores, {time.monotonic() - began:.0f} s"
    yield Fault("random changes of files, against a model of the originals", done, losses, note)
