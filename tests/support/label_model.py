"""A model of docs/labels.md, and an engine on real files that must agree with it.

The model knows each file and each rule, and nothing about events, sightings or batches.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from imgscore.config import Config, DaemonConfig, WatchConfig
from imgscore.engine.engine import Engine
from imgscore.grades import parse_label
from imgscore.reconcile.label_rules import MOVE_WINDOW_NS
from imgscore.reconcile.sidecars import digest_of
from imgscore.store import checks, heads, labels, sightings
from imgscore.store.schema import HeadRecord
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from tests.integration.engine.conftest import InlinePool, ask, until_idle

Step = tuple[int, int, int]
"""The number of an operation, and two numbers that choose its files and folders"""
FOLDERS = (
    "one", "one/album", "one/keep", "one/keep/deep", "one/best", "one/trash", "one/four",
    "one/two", "one/keep/three", "two", "two/keep", "two/trash", "one/#recycle/trash", "outside",
)  # fmt: skip
WATCH_FOLDERS = {
    "one": ("one", "one/keep", "one/best", "one/trash", "one/four", "one/two", "one/keep/three"),
    "two": ("two", "two/keep", "two/trash"),
}
TASTES = {"one": "default", "two": "memes"}
GRADES = {
    "one/keep": 1.0, "one/best": 1.0, "one/trash": 0.0, "one/four": 0.7, "one/two": 0.3,
    "one/keep/three": 0.5, "two/keep": 1.0, "two/trash": 0.0,
}  # fmt: skip
RENAMED = (
    "one/keep", "one/trash", "two/keep", "one/album", "one/best", "one/four", "one/keep/three"
)  # fmt: skip
COMMANDS = ("keep", "trash", "clear", "4", "3", "1")


class Place(NamedTuple):
    """A folder of a watch. `grade`: the grade that it teaches; None for an inbox."""

    taste: str
    grade: float | None


class Label(NamedTuple):
    grade: float
    by_command: bool


@dataclass
class Record:
    """A file as the store saw it last. `gone`: it has left its path; `recent`: just now.

    `ctime_ns`: the ctime of the file when it appeared at its path, or after the last comparison.
    """

    content: str
    inode: int
    ctime_ns: int
    gone: bool = False
    recent: bool = False


def place_of(path: str) -> Place | None:
    """The taste and grade of a path, relative to the world. The innermost folder counts."""
    top, *folders = Path(path).parent.parts
    if top not in TASTES or "#recycle" in folders:
        return None
    names = ["/".join([top, *folders[: depth + 1]]) for depth in range(len(folders))]
    grades = [GRADES[name] for name in names if name in GRADES]
    return Place(TASTES[top], grades[-1] if grades else None)


class Model:
    """The model of the labels that each content should have in each taste."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.labels: dict[tuple[str, str], Label] = {}

    def standing(self, taste: str, content: str) -> dict[float | None, int]:
        """The latest ctime of the copies for each grade that their folders teach."""
        newest: dict[float | None, int] = {}
        for path, record in self.records.items():
            place = place_of(path)
            if record.gone or record.content != content or place is None or place.taste != taste:
                continue
            newest[place.grade] = max(record.ctime_ns, newest.get(place.grade, 0))
        return newest

    def leave(self, path: str) -> None:
        """A file was deleted, or moved to where no watch is."""
        place = place_of(path)
        if place is None:
            return
        record = self.records[path]
        record.gone = record.recent = True
        self._left(place, record.content)

    def land(self, path: str, content: str, inode: int, ctime_ns: int) -> None:
        """A file is new at a path, or has other bytes there."""
        place = place_of(path)
        if place is None:
            return
        before = self.records.get(path)
        origins = {
            other: record
            for other, record in self.records.items()
            if other != path and record.gone and (record.content, record.inode) == (content, inode)
        }
        known = any(
            other != path and record.content == content for other, record in self.records.items()
        )
        for other in origins:
            del self.records[other]
        self.records[path] = Record(content, inode, ctime_ns)
        if before is not None and not before.gone and before.content == content:
            for other in origins:
                self._left(place_of(other) or place, content)
            return
        other_bytes = before is not None and before.content != content
        saved = other_bytes and not known and (not before.gone or before.recent)  # type: ignore[union-attr]
        if saved and before is not None:
            self._saved(place, before.content, content)
        else:
            self._appeared(place, content, path, inode, origins)
        if other_bytes and before is not None:
            if saved or (not before.gone and before.inode == inode):
                self._replaced(place, before.content)
            elif not before.gone:
                self._left(place, before.content)
        for other in origins:
            there = place_of(other)
            if there is not None and there.taste != place.taste:
                self._left(there, content)

    def save_and_move(
        self, source: str, target: str, content: str, inode: int, ctime_ns: int
    ) -> None:
        """A file was saved in place and moved, before the engine saw it again."""
        there = place_of(target)
        if place_of(source) is not None:
            self.records[source].gone = self.records[source].recent = True
        former_path = next(
            (
                path
                for folder in WATCH_FOLDERS.get(target.partition("/")[0], ())
                for path in [f"{folder}/{os.path.basename(target)}"]
                if path in self.records
                and self.records[path].inode == inode
                and self.records[path].gone
                and self.records[path].recent
                and path != target
            ),
            None,
        )
        here = None if former_path is None else place_of(former_path)
        if here is None or there is None or former_path is None:
            if place_of(source) is not None:
                self.leave(source)
            self.land(target, content, inode, ctime_ns)
            return
        record = self.records[former_path]
        former = self.labels.get((there.taste, record.content))
        self.records[target] = Record(content, inode, ctime_ns)
        if there.grade is not None:
            self.labels[there.taste, content] = Label(there.grade, False)
        elif former is not None and former.by_command:
            self.labels[there.taste, content] = former
        self._replaced(here, record.content)
        if source != former_path and place_of(source) is not None:
            self.leave(source)

    def _teachers(self, taste: str, content: str) -> list[float]:
        """The grades of the label folders with a copy; that of the newest copy comes first."""
        standing = self.standing(taste, content)
        taught = [(ctime_ns, grade) for grade, ctime_ns in standing.items() if grade is not None]
        return [grade for _, grade in sorted(taught, reverse=True)]

    def _appeared(
        self, place: Place, content: str, path: str, inode: int, origins: dict[str, Record]
    ) -> None:
        taste, grade = place
        label = self.labels.get((taste, content))
        if grade is not None:
            self.labels[taste, content] = Label(grade, False)
            return
        if label is None or label.by_command:
            return
        back = any(
            there is not None
            and there.taste == taste
            and there.grade is not None
            and other != path
            and record.content == content
            and (record.recent or record.inode == inode or other in origins)
            for other, record in {**self.records, **origins}.items()
            if record.gone
            for there in [place_of(other)]
        )
        self._without(taste, content, clear=back)

    def _without(self, taste: str, content: str, *, clear: bool) -> None:
        label, standing = self.labels.get((taste, content)), self._teachers(taste, content)
        if label is None or label.by_command or label.grade in standing:
            return
        if standing:
            self.labels[taste, content] = Label(standing[0], False)
        elif clear:
            del self.labels[taste, content]

    def _left(self, place: Place, content: str) -> None:
        if place.grade is not None:
            in_inbox = None in self.standing(place.taste, content)
            self._without(place.taste, content, clear=in_inbox)

    def _saved(self, place: Place, old: str, new: str) -> None:
        taste, grade = place
        former = self.labels.get((taste, old))
        if former is not None and former.by_command:
            if grade is not None or (taste, new) not in self.labels:
                self.labels[taste, new] = former
        elif grade is not None:
            self.labels[taste, new] = Label(grade, False)
        elif former is not None and former.grade not in self._teachers(taste, old):
            self.labels.setdefault((taste, new), former)

    def _replaced(self, place: Place, old: str) -> None:
        taste, grade = place
        label, standing = self.labels.get((taste, old)), self.standing(taste, old)
        teachers = self._teachers(taste, old)
        if label is None or label.grade in standing:
            return
        if label.by_command:
            if not standing:
                del self.labels[taste, old]
        elif teachers:
            self.labels[taste, old] = Label(teachers[0], False)
        elif grade is not None or None not in standing:
            del self.labels[taste, old]


class LabelWorld:
    """Files on disk, an engine, and the model. `step` does the same to all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = Model()
        self.log: list[str] = []
        self._contents = 0
        self._names = 0
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
        self._open()
        for name in ("one", "one/keep", "one/trash", "two", "one", "two/keep"):
            self._create(name)
        self.check()

    def _open(self) -> None:
        watches = [
            WatchConfig(
                inbox=f"{self.folder}/one",
                keep=["keep", "best"],
                grades={"4": "four", "2": ["two"], "3": "keep/three"},
            ),
            WatchConfig(inbox=f"{self.folder}/two", taste="memes"),
        ]
        daemon = DaemonConfig(settle=0.0, workers=1, train_after=0.0, free_mb=0)
        self._store = Store(self.folder / "store")
        self.engine = Engine(
            self._store, Config(watch=watches, daemon=daemon), self.folder / "heads",
            InlinePool(self._store),
        )  # fmt: skip
        for taste in TASTES.values():
            if not self.engine.ctx.head(taste):
                embedder = self.engine.ctx.embedder.id
                head = HeadRecord("1", taste, embedder, 0, 0, 1 << 60, True, {})
                self._store.commit(lambda txn, head=head: heads.record(txn, head))

    def close(self) -> None:
        self.engine.close()
        self._store.close()

    # ---- operations; `one` and `two` choose files and folders

    def step(self, step: Step) -> None:
        """Do one operation, let the engine settle, and compare."""
        operations = (
            self._move, self._move, self._move, self._copy, self._copy, self._delete, self._save,
            self._save, self._label, self._restart, self._age, self._add, self._rename_folder,
            self._swap, self._move_all, self._save_and_move,
        )  # fmt: skip
        number, one, two = step
        operations[number % len(operations)](one, two)
        self.check()

    def _files(self) -> list[str]:
        found = [path for path in self.folder.rglob("*.png") if "store" not in path.parts]
        return sorted(os.fspath(path.relative_to(self.folder)) for path in found)

    def _pick(self, one: int) -> str:
        files = self._files()
        if not files:
            return self._create("one")
        return files[one % len(files)]

    def _new_path(self, two: int) -> str:
        """A new path in some folder, or the path of another file (which is then replaced)."""
        files = self._files()
        if two % 5 == 0 and files:
            return files[(two // 5) % len(files)]
        self._names += 1
        return f"{FOLDERS[two % len(FOLDERS)]}/{self._names}.png"

    def _stamp(self, path: str) -> tuple[int, int]:
        """The inode of a file and its ctime, in nanoseconds."""
        status = (self.folder / path).stat()
        return status.st_ino, status.st_ctime_ns

    def _content(self, path: str) -> str:
        return (self.folder / path).read_text()

    def _fresh(self) -> str:
        self._contents += 1
        return f"0.{self._contents % 9 + 1} content {self._contents}"

    def _create(self, folder: str) -> str:
        self._names += 1
        path = f"{folder}/{self._names}.png"
        (self.folder / path).write_text(self._fresh())
        self.model.land(path, self._content(path), *self._stamp(path))
        return path

    def _add(self, one: int, two: int) -> None:
        self.log.append(f"add {self._create(FOLDERS[one % len(FOLDERS)])}")

    def _move(self, one: int, two: int) -> None:
        source, target = self._pick(one), self._new_path(two)
        if source == target:
            return
        self.log.append(f"mv {source} {target}")
        self._moved(source, target)

    def _moved(self, source: str, target: str) -> None:
        content = self._content(source)
        (self.folder / target).parent.mkdir(exist_ok=True, parents=True)
        (self.folder / source).replace(self.folder / target)
        record = self.model.records.get(source)
        if place_of(target) is None:
            self.model.leave(source)
            return
        if record is not None and place_of(source) is not None:
            record.gone = True
            record.recent = True
        self.model.land(target, content, *self._stamp(target))

    def _move_all(self, one: int, two: int) -> None:
        """Move all files of a folder into another folder."""
        source, target = FOLDERS[one % len(FOLDERS)], FOLDERS[two % len(FOLDERS)]
        self.log.append(f"mv {source}/* {target}")
        paths = [path for path in self._files() if os.path.dirname(path) == source]
        if source == target or len({self._content(path) for path in paths}) < len(paths):
            return
        for path in paths:
            self._names += 1
            self._moved(path, f"{target}/{self._names}.png")

    def _copy(self, one: int, two: int) -> None:
        source, target = self._pick(one), self._new_path(two)
        if source == target:
            return
        self.log.append(f"cp -p {source} {target}")
        shutil.copy2(self.folder / source, self.folder / target)
        self.model.land(target, self._content(target), *self._stamp(target))

    def _delete(self, one: int, two: int) -> None:
        path = self._pick(one)
        self.log.append(f"rm {path}")
        (self.folder / path).unlink()
        self.model.leave(path)

    def _save(self, one: int, two: int) -> None:
        """Save new bytes: in place, or by a new file and a rename."""
        path = self._pick(one)
        self.log.append(f"save {path} {'atomic' if two % 2 else 'in place'}")
        target = (self.folder / path).with_suffix(".tmp" if two % 2 else ".png")
        target.write_text(self._fresh())
        target.rename(self.folder / path)
        self.model.land(path, self._content(path), *self._stamp(path))

    def _save_and_move(self, one: int, two: int) -> None:
        source = self._pick(one)
        target = f"{FOLDERS[two % len(FOLDERS)]}/{os.path.basename(source)}"
        if (self.folder / target).exists():
            return
        self.log.append(f"save {source}; mv {source} {target}")
        (self.folder / source).write_text(self._fresh())
        (self.folder / source).rename(self.folder / target)
        self.model.save_and_move(source, target, self._content(target), *self._stamp(target))

    def _label(self, one: int, two: int) -> None:
        """Label a file by the command; a file outside of the watches gets no taste of its own."""
        path, name = self._pick(one), COMMANDS[two % len(COMMANDS)]
        place = place_of(path)
        if place is None:
            return
        self.log.append(f"label {name} {path}")
        content = self._content(path)
        ask(self.engine, "label", label=name, files=[f"{self.folder}/{path}"])
        before, grade = self.model.labels.get((place.taste, content)), parse_label(name)
        if grade is None:
            self.model.labels.pop((place.taste, content), None)
        elif before is None or before.grade != grade:
            self.model.labels[place.taste, content] = Label(grade, True)

    def _restart(self, one: int, two: int) -> None:
        self.log.append("restart")
        self.close()
        self._open()

    def _age(self, one: int, two: int) -> None:
        """Let more than a minute pass for all files that have left their paths."""
        self.log.append("a minute passes")

        def make_older(txn: Txn) -> None:
            for sighting in list(sightings.iter_all(txn, gone=True)):
                if sighting.gone_ns:
                    older = sighting.gone_ns - MOVE_WINDOW_NS
                    sightings.record(txn, msgspec.structs.replace(sighting, gone_ns=older))

        self._store.commit(make_older)
        for record in self.model.records.values():
            record.recent = False

    def _rename_folder(self, one: int, two: int) -> None:
        """Rename a label folder, or an album, and make it again."""
        source = RENAMED[one % len(RENAMED)]
        self._names += 1
        target = f"{('one', 'two', 'outside')[two % 3]}/folder{self._names}"
        self.log.append(f"mv {source} {target}; mkdir {source}")
        inside = [path for path in self._files() if path.startswith(f"{source}/")]
        contents = {path: (self._content(path), *self._stamp(path)) for path in inside}
        (self.folder / source).rename(self.folder / target)
        (self.folder / source).mkdir()
        if source == "one/keep":
            for name in ("deep", "three"):
                (self.folder / source / name).mkdir()
        before = dict(self.model.labels)
        for path in inside:
            self.model.records[path].gone = self.model.records[path].recent = True
        for path in inside:
            content, inode, ctime_ns = contents[path]
            place, there_path = place_of(path), target + path[len(source) :]
            there = place_of(there_path)
            if place is None or there is None:
                self.model.leave(path)
                continue
            self.model.land(there_path, content, inode, ctime_ns)
            key = place.taste, content
            if place.grade is not None and there.grade is None and key in before:
                self.model.labels.setdefault(key, before[key])

    def _swap(self, one: int, two: int) -> None:
        """Swap the names of two files."""
        first, second = self._pick(one), self._pick(two)
        if first == second or self._content(first) == self._content(second):
            return
        places = place_of(first), place_of(second)
        if None in places:
            return
        self.log.append(f"swap {first} {second}")
        contents = {path: self._content(path) for path in (first, second)}
        spare = self.folder / "swap.tmp"
        (self.folder / first).rename(spare)
        (self.folder / second).rename(self.folder / first)
        spare.rename(self.folder / second)
        for path in (first, second):
            self.model.records[path] = Record(self._content(path), *self._stamp(path))
        for path in (first, second):
            place, record = place_of(path), self.model.records[path]
            assert place is not None
            self.model._appeared(place, record.content, path, record.inode, {})
        for path in (first, second):
            place = place_of(path)
            assert place is not None
            self.model._left(place, contents[path])

    # ---- comparing

    def check(self) -> None:
        """Let the engine settle. Raises AssertionError if its labels differ from the model."""
        self.engine.indexer.hint_all()
        until_idle(self.engine)
        digests = {
            digest_of(os.fsencode(self.folder / path)): self._content(path)
            for path in self._files()
        }
        self._seen = getattr(self, "_seen", {}) | digests
        with self._store.read() as txn:
            found = {
                (taste, self._seen.get(digest, digest.hex())): Label(
                    label.grade, label.source not in ("place", "xdg_trash")
                )
                for taste in TASTES.values()
                for digest, label in labels.iter_all(txn, taste)
            }
        wrong = sorted(
            f"{key}: {found.get(key)}, and not {self.model.labels.get(key)}"
            for key in found.keys() | self.model.labels.keys()
            if found.get(key) != self.model.labels.get(key)
        )
        assert not wrong, "\n".join([*self.log, *wrong])
        for path in self._files():
            if path in self.model.records:  # The engine may have restored the date of a file.
                self.model.records[path].ctime_ns = self._stamp(path)[1]

    def verify(self) -> None:
        """Check the whole store as `db check` does."""
        with self._store.read() as txn:
            problems = [
                finding for finding in checks.iter_all(txn, self._store.file) if finding.problems
            ]
        assert not problems, problems


def run(folder: Path, steps: Sequence[Step]) -> None:
    """Do these steps in a new world. Raises AssertionError after the first difference."""
    world = LabelWorld(folder)
    try:
        for step in steps:
            world.step(step)
        world.verify()
    finally:
        world.close()
