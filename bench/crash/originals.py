"""Random changes of files, compared with a model of whose original date is whose (docs/dates.md).

The engine runs in this process, on real files and a real store, with a kill at random failpoints.
`python -m bench.crash originals` does 100,000 steps.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.crash.sandbox import Fault, LostError
from imgscore import failpoints
from imgscore.reconcile import identity
from imgscore.store import journal, originals, scores, sightings
from imgscore.store.transaction import Txn
from tests.integration.engine.conftest import World, ask

SECOND = 10**9
HOUR = 3_600 * SECOND
PAST = 1_000_000_000
"""seconds since 1970 (2001): the first date of the files, far from the dates that imgscore sets"""
SPAN = 300_000_000
"""seconds: the dates of the files lie in this time"""
MAX_FILES = 24
"""files of one world: more of them make each step slower, and few are enough for any sequence"""
FOLDERS = ("", "", "", "sub", "other", "keep", "trash")
"""folders below the inbox; most files stay in the inbox itself"""
MAX_MOVES = 2_000
"""differences of dates by which shifts can have moved a date, so that a check stays fast"""
STEPS_OF_A_WORLD = 250
"""steps until a new world begins, with an empty store"""


class KilledError(BaseException):
    """The simulated end of the process."""


@dataclass
class Inode:
    """A file on the disk, in the model.

    `accepted`: the dates that may be restored: the original, and several dates only if the files
    and their dates do not tell which of them it is. `moved`: whether a shift moved the file's own
    date, while no date of imgscore stood in its place. Then the original is the date before or
    after the shift.
    """

    content: str
    accepted: set[int]
    moved: bool = False


@dataclass
class Snapshot:
    """A backup of all files: the file in the model, and its date, by path."""

    files: dict[Path, tuple[Inode, int]] = field(default_factory=dict)


class Model:
    """A world with the dates that `restore-times` must set, and random changes of its files."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.world = World(folder, settle_seconds=0.001)
        self.chance = random.Random(seed)
        self.files: dict[Path, Inode] = {}
        self.snapshots: list[Snapshot] = []
        self.seen: dict[tuple[str, int], set[int]] = {}
        """the dates accepted so far for each content and date: a backup may bring them back"""
        self.moves: set[int] = {0}
        """the differences by which the shifts so far can have moved a date"""
        self.deltas: set[int] = {0}
        """the differences of the shifts so far"""
        self.log: list[str] = []
        self._number = 0
        self._touches = 0
        """the number of the last entry of the journal that was read"""
        self._busy: set[int] = set()
        """the inodes that were changed since the last scan"""
        for name in ("", "sub", "other", "keep", "trash"):
            (self.world.inbox / name).mkdir(parents=True, exist_ok=True)

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

    # ---- changes of single files

    def add(self) -> None:
        """Write a new file."""
        if len(self.files) >= MAX_FILES:
            self.delete()
            return
        path = self._free_path("")
        content = self._content()
        path.write_text(content)
        self._note("add", path)
        self._set_date(path, Inode(content, set()), self._date())

    def rename(self) -> None:
        """Rename a file, sometimes over another one."""
        path = self._take()
        if path is not None:
            self._move(path, self._free_path(path.parent.relative_to(self.world.inbox).as_posix()))

    def move(self) -> None:
        """Move a file to another folder."""
        path = self._take()
        if path is not None:
            self._move(path, self._free_path(self.chance.choice(FOLDERS)))

    def edit(self) -> None:
        """Rewrite a file and keep its date; in half of the cases, rename or move it as well."""
        path = self._take()
        if path is None:
            return
        for _ in range(self.chance.choice((1, 1, 3))):
            self._rewrite(path, path.stat().st_mtime_ns)
        if self.chance.random() < 0.5:
            self._move(path, self._free_path(self.chance.choice(FOLDERS)))

    def edit_with_date(self) -> None:
        """Rewrite a file, with a new date."""
        path = self._take()
        if path is not None:
            date = self._date()
            self._rewrite(path, date)
            self.files[path].accepted, self.files[path].moved = {date}, False

    def copy(self) -> None:
        """Copy a file with its date."""
        path = self._take()
        if path is not None and len(self.files) < MAX_FILES:
            self._copy(path, self._free_path(self.chance.choice(FOLDERS)))

    def copy_over(self) -> None:
        """Copy a file with its date over another file."""
        path, target = self._take(), self._take()
        if path is not None and target is not None:
            target.unlink()
            del self.files[target]
            self._copy(path, target)

    def edit_copy(self) -> None:
        """Copy a file with its date, and rewrite the copy without changing its date."""
        path = self._take()
        if path is not None and len(self.files) < MAX_FILES:
            copy = path.with_name(f"{path.stem}-edited{self._next()}.jpg")
            self._copy(path, copy)
            self._rewrite(copy, copy.stat().st_mtime_ns)

    def copy_plainly(self) -> None:
        """Copy a file without its date."""
        path = self._take()
        if path is not None and len(self.files) < MAX_FILES:
            copy = self._free_path(self.chance.choice(FOLDERS))
            shutil.copy(path, copy)
            self._note("copy_plainly", path, copy)
            self._set_date(copy, Inode(self.files[path].content, set()), self._date())

    def link(self) -> None:
        """Give a file of the inbox a second name there."""
        path = self._take()
        if path is not None and path.parent == self.world.inbox and len(self.files) < MAX_FILES:
            second = self._free_path("")
            os.link(path, second)
            self._note("link", path, second)
            self.files[second] = self.files[path]

    def wish(self) -> None:
        """Set the date of one file."""
        path = self._take()
        if path is not None:
            self._note("wish", path)
            self._set_date(path, self.files[path], self._date())

    def delete(self) -> None:
        """Delete a name of a file."""
        path = self._take()
        if path is not None:
            self._note("delete", path)
            path.unlink()
            del self.files[path]

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

    # ---- helpers

    def _take(self) -> Path | None:
        """A file that was not changed since the last scan."""
        free = [path for path, inode in self.files.items() if id(inode) not in self._busy]
        if not free:
            return None
        path = self.chance.choice(sorted(free, key=os.fsencode))
        self._busy.add(id(self.files[path]))
        return path

    def _move(self, path: Path, target: Path) -> None:
        self._note("move", path, target)
        path.rename(target)
        self.files[target] = self.files.pop(path)

    def _copy(self, path: Path, target: Path) -> None:
        self._note("copy", path, target)
        shutil.copy2(path, target)
        inode = self.files[path]
        # A deleted copy that had this date looks as if it had been moved to the target.
        known = self.seen.get((inode.content, path.stat().st_mtime_ns), set())
        self.files[target] = Inode(inode.content, inode.accepted | known, inode.moved)
        self._busy.add(id(self.files[target]))

    def _rewrite(self, path: Path, date: int) -> None:
        """Write other bytes, in place or by a temporary file, and set a date."""
        inode, content = self.files[path], self._content()
        in_place = self.chance.random() < 0.5
        self._note(f"rewrite {'in place' if in_place else 'by rename'}", path)
        if in_place:
            path.write_text(content)
            inode.content = content
        else:
            new = path.with_name("new.tmp")
            new.write_text(content)
            new.rename(path)
            self.files[path] = Inode(content, set(inode.accepted), inode.moved)
            self._busy.add(id(self.files[path]))
        os.utime(path, ns=(0, date))

    def _set_date(self, path: Path, inode: Inode, date: int) -> None:
        os.utime(path, ns=(0, date))
        self.files[path] = inode
        inode.accepted, inode.moved = {date}, False
        self._busy.add(id(inode))

    def _date(self) -> int:
        """A date that no file had, in half of the cases a whole number of seconds."""
        second = PAST + self.chance.randrange(SPAN)
        return second * SECOND + self.chance.choice((0, self.chance.randrange(SECOND)))

    def _free_path(self, folder: str) -> Path:
        return self.world.inbox / folder / f"{self.chance.choice('abc')}{self._next()}.jpg"

    def _content(self) -> str:
        return f"{self.chance.random():.4f} {self._next()}"

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _note(self, what: str, *paths: Path) -> None:
        names = [path.relative_to(self.world.inbox).as_posix() for path in paths]
        self.log.append(f"{what} {' '.join(names)}")


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
