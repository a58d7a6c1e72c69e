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
    "one", "one/album", "one/keep", "one/keep/deep", "one/best", "one/trash", "two", "two/keep",
    "two/trash", "one/#recycle/trash", "outside",
)  # fmt: skip
WATCH_FOLDERS = {
    "one": ("one", "one/keep", "one/best", "one/trash"),
    "two": ("two", "two/keep", "two/trash"),
}
TASTES = {"one": "default", "two": "memes"}
ROLES = {"keep": "keep", "best": "keep", "trash": "trash"}


class Place(NamedTuple):
    taste: str
    role: str


class Label(NamedTuple):
    name: str
    by_command: bool


@dataclass
class Record:
    """A file as the store saw it last. `gone`: it has left its path; `recent`: just now."""

    content: str
    inode: int
    gone: bool = False
    recent: bool = False


def place_of(path: str) -> Place | None:
    """The taste and role of a path, relative to the world."""
    top, *folders = Path(path).parent.parts
    if top not in TASTES or "#recycle" in folders:
        return None
    return Place(TASTES[top], ROLES.get(folders[0], "inbox") if folders else "inbox")


class Model:
    """The model of the labels that each content should have in each taste."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.labels: dict[tuple[str, str], Label] = {}

    def roles(self, taste: str, content: str) -> set[str]:
        places = [
            place_of(path)
            for path, record in self.records.items()
            if not record.gone and record.content == content
        ]
        return {place.role for place in places if place is not None and place.taste == taste}

    def leave(self, path: str) -> None:
        """A file was deleted, or moved to where no watch is."""
        place = place_of(path)
        if place is None:
            return
        record = self.records[path]
        record.gone = record.recent = True
        self._left(place, record.content)

    def land(self, path: str, content: str, inode: int) -> None:
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
        self.records[path] = Record(content, inode)
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

    def save_and_move(self, source: str, target: str, content: str, inode: int) -> None:
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
            self.land(target, content, inode)
            return
        record = self.records[former_path]
        former = self.labels.get((there.taste, record.content))
        self.records[target] = Record(content, inode)
        if there.role != "inbox":
            self.labels[there.taste, content] = Label(there.role, False)
        elif former is not None and former.by_command:
            self.labels[there.taste, content] = former
        self._replaced(here, record.content)
        if source != former_path and place_of(source) is not None:
            self.leave(source)

    def _teachers(self, taste: str, content: str) -> set[str]:
        return self.roles(taste, content) - {"inbox"}

    def _appeared(
        self, place: Place, content: str, path: str, inode: int, origins: dict[str, Record]
    ) -> None:
        taste, role = place
        label = self.labels.get((taste, content))
        if role != "inbox":
            self.labels[taste, content] = Label(role, False)
            return
        if label is None or label.by_command:
            return
        back = any(
            there is not None
            and there.taste == taste
            and there.role != "inbox"
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
        if label is None or label.by_command or label.name in standing:
            return
        if standing:
            self.labels[taste, content] = Label(next(iter(standing)), False)
        elif clear:
            del self.labels[taste, content]

    def _left(self, place: Place, content: str) -> None:
        if place.role != "inbox":
            in_inbox = "inbox" in self.roles(place.taste, content)
            self._without(place.taste, content, clear=in_inbox)

    def _saved(self, place: Place, old: str, new: str) -> None:
        taste, role = place
        former = self.labels.get((taste, old))
        if former is not None and former.by_command:
            if role != "inbox" or (taste, new) not in self.labels:
                self.labels[taste, new] = former
        elif role != "inbox":
            self.labels[taste, new] = Label(role, False)
        elif former is not None and former.name not in self._teachers(taste, old):
            self.labels.setdefault((taste, new), former)

    def _replaced(self, place: Place, old: str) -> None:
        taste, role = place
        label, roles = self.labels.get((taste, old)), self.roles(taste, old)
        if label is None or label.name in roles:
            return
        if label.by_command:
            if not roles:
                del self.labels[taste, old]
        elif roles - {"inbox"}:
            self.labels[taste, old] = Label(next(iter(roles - {"inbox"})), False)
        elif role != "inbox" or "inbox" not in roles:
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
            WatchConfig(inbox=f"{self.folder}/one", keep=["keep", "best"]),
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

    def _inode(self, path: str) -> int:
        return (self.folder / path).stat().st_ino

    def _content(self, path: str) -> str:
        return (self.folder / path).read_text()

    def _fresh(self) -> str:
        self._contents += 1
        return f"0.{self._contents % 9 + 1} content {self._contents}"

    def _create(self, folder: str) -> str:
        self._names += 1
        path = f"{folder}/{self._names}.png"
        (self.folder / path).write_text(self._fresh())
        self.model.land(path, self._content(path), self._inode(path))
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
        inode, content = self._inode(source), self._content(source)
        (self.folder / target).parent.mkdir(exist_ok=True, parents=True)
        (self.folder / source).replace(self.folder / target)
        record = self.model.records.get(source)
        if place_of(target) is None:
            self.model.leave(source)
            return
        if record is not None and place_of(source) is not None:
            record.gone = True
            record.recent = True
        self.model.land(target, content, inode)

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
        self.model.land(target, self._content(target), self._inode(target))

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
        self.model.land(path, self._content(path), self._inode(path))

    def _save_and_move(self, one: int, two: int) -> None:
        source = self._pick(one)
        target = f"{FOLDERS[two % len(FOLDERS)]}/{os.path.basename(source)}"
        if (self.folder / target).exists():
            return
        self.log.append(f"save {source}; mv {source} {target}")
        (self.folder / source).write_text(self._fresh())
        (self.folder / source).rename(self.folder / target)
        self.model.save_and_move(source, target, self._content(target), self._inode(target))

    def _label(self, one: int, two: int) -> None:
        """Label a file by the command; a file outside of the watches gets no taste of its own."""
        path, name = self._pick(one), ("keep", "trash", "clear")[two % 3]
        place = place_of(path)
        if place is None:
            return
        self.log.append(f"label {name} {path}")
        content = self._content(path)
        ask(self.engine, "label", label=name, files=[f"{self.folder}/{path}"])
        before = self.model.labels.get((place.taste, content))
        if name == "clear":
            self.model.labels.pop((place.taste, content), None)
        elif before is None or before.name != name:
            self.model.labels[place.taste, content] = Label(name, True)

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
        """Rename a keep or trash folder, or an album, and make it again."""
        source = ("one/keep", "one/trash", "two/keep", "one/album", "one/best")[one % 5]
        self._names += 1
        target = f"{('one', 'two', 'outside')[two % 3]}/folder{self._names}"
        self.log.append(f"mv {source} {target}; mkdir {source}")
        inside = [path for path in self._files() if path.startswith(f"{source}/")]
        contents = {path: (self._content(path), self._inode(path)) for path in inside}
        (self.folder / source).rename(self.folder / target)
        (self.folder / source).mkdir()
        if source == "one/keep":
            (self.folder / "one/keep/deep").mkdir()
        before = dict(self.model.labels)
        for path in inside:
            content, inode = contents[path]
            self.model.records[path].gone = self.model.records[path].recent = True
        for path in inside:
            content, inode = contents[path]
            place, there_path = place_of(path), target + path[len(source) :]
            there = place_of(there_path)
            if place is None or there is None:
                self.model.leave(path)
                continue
            self.model.land(there_path, content, inode)
            key = place.taste, content
            if place.role != "inbox" and there.role == "inbox" and key in before:
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
        files = {path: (self._content(path), self._inode(path)) for path in (first, second)}
        spare = self.folder / "swap.tmp"
        (self.folder / first).rename(spare)
        (self.folder / second).rename(self.folder / first)
        spare.rename(self.folder / second)
        swapped = {first: files[second], second: files[first]}
        for path, (content, inode) in swapped.items():
            self.model.records[path] = Record(content, inode)
        for path, (content, inode) in swapped.items():
            place = place_of(path)
            assert place is not None
            self.model._appeared(place, content, path, inode, {})
        for path in swapped:
            place = place_of(path)
            assert place is not None
            self.model._left(place, files[path][0])

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
                    label.label, label.source not in ("place", "xdg_trash")
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
