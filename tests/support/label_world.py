"""An engine on real files, and the model of docs/labels.md, which must agree with it."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from imgscore import grades
from imgscore.config import Config, DaemonConfig, WatchConfig
from imgscore.engine.engine import Engine
from imgscore.reconcile.label_rules import MOVE_WINDOW_NS
from imgscore.reconcile.sidecars import digest_of
from imgscore.store import checks, heads, labels, sightings
from imgscore.store.schema import HeadRecord
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from tests.integration.engine.conftest import InlinePool, ask, until_idle
from tests.support.label_model import FOLDERS, TASTES, Label, Model, Record, place_of
from tests.support.label_sidecars import Sidecars

Step = tuple[int, int, int]
"""The number of an operation, and two numbers that choose its files and folders"""
RENAMED = (
    "one/keep", "one/trash", "two/keep", "one/album", "one/best", "one/four", "one/keep/three"
)  # fmt: skip
COMMANDS = ("keep", "trash", "clear", "4", "3", "1")
KINDS = {"place": "place", "xdg_trash": "place", "rating": "rating"}
"""The kinds of labels by source. All other labels are from commands."""


class LabelWorld:
    """Files on disk, an engine, and the model. `step` does the same to all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = Model()
        self.log: list[str] = []
        self._sidecars = Sidecars(folder)
        self._contents = 0
        self._names = 0
        self._labelled_ns: dict[tuple[str, str], int] = {}
        """the time of the last label of each content, in each taste"""
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
                ratings=True,
            ),
            WatchConfig(inbox=f"{self.folder}/two", taste="memes", ratings=True),
        ]
        daemon = DaemonConfig(
            settle=0.0, workers=1, train_after=0.0, free_mb=0, order_from_keeps=False
        )
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
            self._swap, self._move_all, self._save_and_move, self._rate, self._rate,
            self._remove_rating,
        )  # fmt: skip
        number, one, two = step
        operations[number % len(operations)](one, two)
        for path in list(self.model.unread):
            self.model.rate(path, self._sidecars.rating(path), late=self._is_late(path))
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
        self._land(path)
        return path

    def _land(self, path: str) -> None:
        """Tell the model that a file is at a path now."""
        self.model.land(path, self._content(path), *self._stamp(path))

    # ---- ratings

    def _is_late(self, path: str) -> bool:
        """Whether the sidecar of an image is older than the label of the image."""
        place, set_ns = place_of(path), self._sidecars.set_ns(path)
        if place is None or set_ns is None:
            return False
        return set_ns < self._labelled_ns.get((place.taste, self._content(path)), 0)

    def _rate(self, one: int, two: int) -> None:
        path, stars = self._pick(one), (-1, 1, 2, 3, 4, 5)[two % 6]
        if place_of(path) is None:
            return
        self.log.append(f"rate {path} {stars}")
        self._sidecars.rate(path, stars)
        self.model.unread[path] = False

    def _remove_rating(self, one: int, two: int) -> None:
        rated = [
            path for path in self._files() if self._sidecars.of(path).exists() and place_of(path)
        ]
        if rated:
            path = rated[one % len(rated)]
            self.log.append(f"rm {path}.xmp")
            self._sidecars.of(path).unlink()
            self.model.unread[path] = False

    def _add(self, one: int, two: int) -> None:
        self.log.append(f"add {self._create(FOLDERS[one % len(FOLDERS)])}")

    def _move(self, one: int, two: int) -> None:
        source, target = self._pick(one), self._new_path(two)
        if source == target:
            return
        self.log.append(f"mv {source} {target}")
        self._moved(source, target)

    def _moved(self, source: str, target: str) -> None:
        (self.folder / target).parent.mkdir(exist_ok=True, parents=True)
        (self.folder / source).replace(self.folder / target)
        self._sidecars.take(source, target)
        record = self.model.records.get(source)
        if place_of(target) is None:
            self.model.leave(source)
            return
        if record is not None and place_of(source) is not None:
            record.gone = True
            record.recent = True
        self._land(target)

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
        self._sidecars.take(source, target, copy=True)
        self._land(target)

    def _delete(self, one: int, two: int) -> None:
        path = self._pick(one)
        self.log.append(f"rm {path}")
        (self.folder / path).unlink()
        self._sidecars.of(path).unlink(missing_ok=True)
        self.model.leave(path)

    def _save(self, one: int, two: int) -> None:
        """Save new bytes: in place, or by a new file and a rename."""
        path = self._pick(one)
        self.log.append(f"save {path} {'atomic' if two % 2 else 'in place'}")
        target = (self.folder / path).with_suffix(".tmp" if two % 2 else ".png")
        target.write_text(self._fresh())
        target.rename(self.folder / path)
        self._land(path)

    def _save_and_move(self, one: int, two: int) -> None:
        source = self._pick(one)
        target = f"{FOLDERS[two % len(FOLDERS)]}/{os.path.basename(source)}"
        if (self.folder / target).exists():
            return
        self.log.append(f"save {source}; mv {source} {target}")
        (self.folder / source).write_text(self._fresh())
        (self.folder / source).rename(self.folder / target)
        self._sidecars.take(source, target)
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
        before, grade = self.model.labels.get((place.taste, content)), grades.parse_label(name)
        if grade is None:
            self.model.labels.pop((place.taste, content), None)
        elif before is None or before.grade != grade:
            self.model.labels[place.taste, content] = Label(grade, "command")

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
                now = self.model.labels.get(key)
                if now is None or (now.kind, before[key].kind) == ("rating", "place"):
                    self.model.labels[key] = before[key]

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
        self._sidecars.swap(first, second)
        for path in (first, second):
            self.model.records[path] = Record(self._content(path), *self._stamp(path))
            self.model.forget_other(path, self._content(path))
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
            stored = {
                (taste, self._seen.get(digest, digest.hex())): label
                for taste in TASTES.values()
                for digest, label in labels.iter_all(txn, taste)
            }
        self._labelled_ns = {key: label.time_ns for key, label in stored.items()}
        found = {
            key: Label(label.grade, KINDS.get(label.source, "command"))  # type: ignore[arg-type]
            for key, label in stored.items()
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
