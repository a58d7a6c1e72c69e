"""A model of docs/labels.md: the label that each content should have in each taste.

The model knows each file and each rule, and nothing about events, sightings or batches.
tests/support/label_world.py compares it with an engine on real files.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

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


class Place(NamedTuple):
    """A folder of a watch. `grade`: the grade that it teaches; None for an inbox."""

    taste: str
    grade: float | None


class Label(NamedTuple):
    """A label, and what gave it: a folder, a command, or the rating of another program."""

    grade: float
    kind: Literal["place", "command", "rating"] = "place"

    @property
    def is_fixed(self) -> bool:
        """No move to the inbox and no deletion changes the label."""
        return self.kind != "place"


@dataclass
class Record:
    """A file as the store saw it last. `gone`: it has left its path; `recent`: just now.

    `left`: the position of the file in the sequence of all files that have left a path.
    `ctime_ns`: the ctime of the file when it appeared at its path, or after the last comparison.
    """

    content: str
    inode: int
    ctime_ns: int
    gone: bool = False
    recent: bool = False
    left: int = 0


@dataclass
class Rated:
    """The rating of the image at a path, as it was read last. None: the image had none.

    `carried`: the rating that the file had at its former path, if it was not read again.
    """

    content: str
    grade: float | None
    carried: float | None = None


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
        self.rated: dict[str, Rated] = {}
        self.unread: dict[str, bool] = {}
        """the paths whose ratings are read next, and whether the image is new there"""

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
        self._note_gone(record)
        self._left(place, record.content)

    def _note_gone(self, record: Record) -> None:
        record.gone = record.recent = True
        record.left = 1 + max(other.left for other in self.records.values())

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
            self._carry(other, path, content)
        self.records[path] = Record(content, inode, ctime_ns)
        # A rating that came with a file is no act, unless the path had this image, or a rating.
        known_here = before is not None and (before.content == content or path in self.rated)
        self.unread[path] = not known_here or before.gone or bool(origins)  # type: ignore[union-attr]
        if before is not None and not before.gone and before.content == content:
            for other in origins:
                self._left(place_of(other) or place, content)
            return
        other_bytes = before is not None and before.content != content
        saved = other_bytes and not known and (not before.gone or before.recent)  # type: ignore[union-attr]
        if other_bytes and not saved:
            self.forget_other(path, content)
        if saved and before is not None:
            self._saved(place, before.content, content)
            label = self.labels.get((place.taste, content))
            if label is not None and label.is_fixed:
                # The label came with the path. Therefore the first rating is an act.
                self.unread[path] = False
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
            self._note_gone(self.records[source])
        former_path = max(
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
            key=lambda path: self.records[path].left,
            default=None,
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
        self.unread[target] = True
        if there.grade is not None:
            self.labels[there.taste, content] = Label(there.grade)
        elif former is not None and former.is_fixed:
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
            self.labels[taste, content] = Label(grade)
            return
        if label is None or label.is_fixed:
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
        if label is None or label.is_fixed or label.grade in standing:
            return
        if standing:
            self.labels[taste, content] = Label(standing[0])
        elif clear:
            self._clear(taste, content)

    def _left(self, place: Place, content: str) -> None:
        if place.grade is not None:
            in_inbox = None in self.standing(place.taste, content)
            self._without(place.taste, content, clear=in_inbox)

    def _saved(self, place: Place, old: str, new: str) -> None:
        taste, grade = place
        former = self.labels.get((taste, old))
        if former is not None and former.is_fixed:
            if grade is not None or (taste, new) not in self.labels:
                self.labels[taste, new] = former
        elif grade is not None:
            self.labels[taste, new] = Label(grade)
        elif former is not None and former.grade not in self._teachers(taste, old):
            self.labels.setdefault((taste, new), former)

    def _replaced(self, place: Place, old: str) -> None:
        taste, grade = place
        label, standing = self.labels.get((taste, old)), self.standing(taste, old)
        teachers = self._teachers(taste, old)
        if label is None or label.grade in standing:
            return
        if label.is_fixed:
            if not standing:
                del self.labels[taste, old]
        elif teachers:
            self.labels[taste, old] = Label(teachers[0])
        elif None not in standing:
            del self.labels[taste, old]
        elif grade is not None:
            self._clear(taste, old)

    # ---- ratings

    def forget_other(self, path: str, content: str) -> None:
        """Another image was moved or copied to this path."""
        if path in self.rated and self.rated[path].content != content:
            del self.rated[path]
        self.unread[path] = True

    def _carry(self, former: str, path: str, content: str) -> None:
        """A file was moved: its rating is known at its new path."""
        old = self.rated.pop(former, None)
        present = self.rated.get(path)
        if old is not None and (present is None or present.content != content):
            carried = old.carried if old.grade is None else old.grade
            self.rated[path] = Rated(content, None, carried)

    def _clear(self, taste: str, content: str) -> None:
        """Clear a place label. A rating gives the label again: that of a present file, if any."""
        found = [
            (not self.records[path].gone, grade)
            for path, rated in self._ratings(taste, content)
            for grade in [rated.carried if rated.grade is None else rated.grade]
            if grade is not None
        ]
        if found:
            self.labels[taste, content] = Label(max(found)[1], "rating")
        else:
            del self.labels[taste, content]

    def _ratings(self, taste: str, content: str) -> list[tuple[str, Rated]]:
        """The ratings that were read for files with this content in a taste, also of lost files."""
        return [
            (path, rated)
            for path, rated in self.rated.items()
            if rated.content == content
            and path in self.records
            and self.records[path].content == content
            and (place := place_of(path)) is not None
            and place.taste == taste
        ]

    def rate(self, path: str, grade: float | None, *, late: bool) -> None:
        """The rating of an image is read.

        `late`: whether its sidecar is older than the label of the image.
        """
        first = self.unread.pop(path)
        place, before = place_of(path), self.rated.get(path)
        if place is None or (before is None and grade is None):
            return
        taste, content = place.taste, self.records[path].content
        known = before
        if known is None or known.content != content:
            others = [(p, rated) for p, rated in self._ratings(taste, content) if p != path]
            others.sort(key=lambda other: other[1].grade != grade)
            for other, _ in others:
                if self.records[other].gone:
                    del self.rated[other]
            known = others[0][1] if others else before
        carried = None if before is None or grade is not None else before.carried
        self.rated[path] = Rated(content, grade, carried)
        former = None if known is None else known.grade
        if known is not None and known.grade is None and grade is not None:
            former = known.carried
        label = self.labels.get((taste, content))
        # A sidecar can be copied a little later than its image.
        first = first or (late and label is not None and label.kind == "place")
        if grade is None:
            if former is not None and label is not None and label.kind == "rating":
                self._rating_removed(taste, content, path)
        elif label is None:
            if grade != former or (known is not None and known.content != content):
                self.labels[taste, content] = Label(grade, "rating")
        elif grade not in (former, label.grade) and not (first and before is None):
            self.labels[taste, content] = Label(grade, "rating")

    def _rating_removed(self, taste: str, content: str, path: str) -> None:
        others = [
            rated.grade
            for other, rated in self._ratings(taste, content)
            if other != path and not self.records[other].gone and rated.grade is not None
        ]
        teachers = self._teachers(taste, content)
        if others:
            if max(others) != self.labels[taste, content].grade:
                self.labels[taste, content] = Label(max(others), "rating")
        elif teachers:
            self.labels[taste, content] = Label(teachers[0])
        else:
            del self.labels[taste, content]
