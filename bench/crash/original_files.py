"""The files of bench/crash/originals.py, with random changes of single files."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.integration.engine.conftest import World

SECOND = 10**9
PAST = 1_000_000_000
"""seconds since 1970 (2001): the first date of the files, far from the dates that imgscore sets"""
SPAN = 300_000_000
"""seconds: the dates of the files lie in this time"""
MAX_FILES = 24
"""files of one world: more of them make each step slower, and few are enough for any sequence"""
FOLDERS = ("", "", "", "sub", "other", "keep", "trash")
"""folders below the inbox; most files stay in the inbox itself"""


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


class Files:
    """A world with the dates that `restore-times` must set, and changes of one file each."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.world = World(folder, settle_seconds=0.001)
        self.chance = random.Random(seed)
        self.files: dict[Path, Inode] = {}
        self.seen: dict[tuple[str, int], set[int]] = {}
        """the dates accepted so far for each content and date: a backup may bring them back"""
        self.log: list[str] = []
        self._number = 0
        self._busy: set[int] = set()
        """the inodes that were changed since the last scan"""
        for name in ("", "sub", "other", "keep", "trash"):
            (self.world.inbox / name).mkdir(parents=True, exist_ok=True)

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
