"""This module finds the watch and the folder (such as inbox, keep or trash) that contain a path.

It reads no files, except that `Watches.of` also checks the folders: see watch_folders.py.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from imgscore import grades, watch_folders
from imgscore.config import Config, Direction, Groups, WatchConfig, expand
from imgscore.errors import ConfigError
from imgscore.images.formats import is_image_name
from imgscore.system.system_folders import is_links_folder, is_system_name
from imgscore.watch_folders import within

__all__ = ["Place", "Role", "Watch", "Watches", "grade_of", "outermost", "within"]

Role = Literal["inbox", "keep", "trash", "1 star", "2 stars", "3 stars", "4 stars", "5 stars"]
"""The kind of a folder of a watch. All folders but the inbox teach: they give their images a label.
The store contains these texts."""

PARENTS = 512
"""The number of folders whose place is kept in memory. A scan reads one folder after the other, and
asks for the place of each file about ten times."""
_GRADES: dict[Role, float] = {
    "keep": grades.KEEP,
    "trash": grades.TRASH,
    "1 star": grades.OF_STARS[1],
    "2 stars": grades.OF_STARS[2],
    "3 stars": grades.OF_STARS[3],
    "4 stars": grades.OF_STARS[4],
    "5 stars": grades.OF_STARS[5],
}


_OF_STARS: dict[str, Role] = {
    "1": "1 star",
    "2": "2 stars",
    "3": "3 stars",
    "4": "4 stars",
    "5": "5 stars",
}


def grade_of(role: Role) -> float | None:
    """Return the grade that a folder with this role teaches. An inbox teaches none."""
    return _GRADES.get(role)


@dataclass(frozen=True)
class Watch:
    """An inbox with its label folders. The folders are absolute paths, as bytes."""

    inbox: bytes
    keep: tuple[bytes, ...]
    trash: tuple[bytes, ...]
    taste: str
    order: Direction
    siblings: bool = True
    """Whether files such as `a.CR2`, `a.jpg` and `a.xmp` are treated as one image.

    If true, these files have one position in the order and one label.
    """
    xdg_trash: bool = False
    """Whether an image gets the label trash if the user moves it to the desktop's trash."""
    like: tuple[str, ...] = ()
    dislike: tuple[str, ...] = ()
    """The words of the taste, for an order before the first label."""
    graded: tuple[tuple[bytes, Role], ...] = ()
    """The folders that teach a grade between trash and keep, each with its role."""
    ratings: bool = False
    """Whether the ratings that other programs store are labels."""
    groups: Groups = "together"
    """The places of the images of a group in the order."""

    def folders(self) -> Iterable[tuple[bytes, Role]]:
        """Yield every folder of the watch with its role. The inbox comes first."""
        yield self.inbox, "inbox"
        yield from self.label_folders()

    def label_folders(self) -> Iterable[tuple[bytes, Role]]:
        """Yield every folder that gives its images a label, with its role."""
        for folder in self.keep:
            yield folder, "keep"
        for folder in self.trash:
            yield folder, "trash"
        yield from self.graded

    def folder_for(self, grade: float) -> bytes | None:
        """Return the first folder that teaches exactly this grade, or None if there is none."""
        folders = (folder for folder, role in self.label_folders() if grade_of(role) == grade)
        return next(folders, None)

    def roots(self) -> list[bytes]:
        """Return the folders that a walk of the whole watch must start from.

        No folder in the list is inside another folder of the list.
        """
        return outermost(folder for folder, _ in self.folders())


@dataclass(frozen=True)
class Place:
    """The role of a folder, such as inbox or keep, and the watch to which the folder belongs."""

    watch: Watch
    role: Role


def name_below(inbox: bytes, role: Role, path: bytes) -> bytes:
    """Return the path of a file below its inbox. Return the file name if it is not in the inbox.

    `role`: the role of the folder that contains the file. The names of label folders are left out,
    because they would reveal the label.
    """
    if role == "inbox" and path.startswith(inbox + b"/"):
        return path[len(inbox) + 1 :]
    return os.path.basename(path)


class Watches:
    """All watches of a config. The constructor raises ConfigError if a folder is used twice."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        self.all = tuple(watches)
        self._places: dict[bytes, Place] = {}
        for watch in self.all:
            for folder, role in watch.folders():
                other = self._places.get(folder)
                if other is not None:
                    raise ConfigError(
                        f"{os.fsdecode(folder)} is both {_with_article(other.role)} of "
                        f"{os.fsdecode(other.watch.inbox)} and {_with_article(role)} of "
                        f"{os.fsdecode(watch.inbox)}",
                        "use a different folder for each of them",
                    )
                self._places[folder] = Place(watch, role)
        self._facts_of = lru_cache(PARENTS)(self._find_facts)

    @classmethod
    def of(cls, config: Config) -> "Watches":
        """Create the Watches object of a config.

        Raises ConfigError if a watch uses a folder that it must not use.
        """
        watches = cls(_watch(watch) for watch in config.watch)
        watches._check_folders()
        return watches

    def _check_folders(self) -> None:
        twice = watch_folders.same_folder(self._places)
        if twice is not None:
            first, second = map(os.fsdecode, twice)
            raise ConfigError(
                f"{first} and {second} are the same folder", "use a different folder for each"
            )
        for watch in self.all:
            place = self.locate(os.path.dirname(watch.inbox))
            if place is not None and place.role != "inbox" and place.watch is not watch:
                raise ConfigError(
                    f"the inbox {os.fsdecode(watch.inbox)} is in {_with_article(place.role)} of "
                    f"the inbox {os.fsdecode(place.watch.inbox)}",
                    "use an inbox outside of the folders of labelled images",
                )

    def locate(self, path: bytes) -> Place | None:
        """Return the watch and the role of the innermost folder that contains `path`.

        None means that no watch contains `path`.
        """
        folder = self.folder(path)
        return None if folder is None else self._places[folder]

    def folder(self, path: bytes) -> bytes | None:
        """Return the innermost folder of a watch that contains `path`.

        None means that no watch contains `path`.
        """
        return path if path in self._places else self._facts_of(path.rpartition(b"/")[0])[0]

    def _find_facts(self, parent: bytes) -> tuple[bytes | None, bool]:
        """Return the innermost folder of a watch that contains `parent`, or is `parent`.

        The second value is whether imgscore ignores the files in `parent`.
        """
        folder = parent or b"/"
        while folder not in self._places:
            above = os.path.split(folder)[0]
            if above == folder:
                return None, True
            folder = above
        return folder, any(map(is_system_name, parent[len(folder) :].split(b"/")))

    def hides(self, path: bytes) -> bool:
        """Return whether imgscore ignores `path` because of its names.

        This is the case if `path` is outside all watches, or if the name of the file begins with a
        dot. It is also the case if a folder of `path`, below the folder of the watch, is hidden or
        is made by the system or a NAS. A `path` that ends with a slash is the path of a folder.
        """
        if path in self._places:
            return False
        parent, _, name = path.rpartition(b"/")
        return name.startswith(b".") or self._facts_of(parent)[1]

    def image_place(self, path: bytes) -> Place | None:
        """Return the same as `locate`, but None for a file that imgscore leaves alone.

        Such a file is hidden, or its name is not the name of a finished image. A client can ask for
        the score of such a file, but the file gets no date and no label from its place.
        """
        if path in self._places:
            return self._places[path] if is_image_name(os.path.basename(path)) else None
        parent, _, name = path.rpartition(b"/")
        folder, hidden = self._facts_of(parent)
        if hidden or folder is None or name.startswith(b".") or not is_image_name(name):
            return None
        return self._places[folder]

    def former_paths(self, path: bytes, place: Place) -> list[bytes]:
        """Return the paths in the folders of a watch from which a file may have come to `path`.

        They have the same path below their folder, or the same name. `place`: the place of `path`.
        """
        folder = self.folder(path) or b""
        names = {path[len(folder) :], path[path.rfind(b"/") :]}
        paths = [other + name for name in names for other, _ in place.watch.folders()]
        return [former for former in paths if former != path]

    def with_trash(self) -> list[bytes]:
        """Return the folders of all watches whose setting `xdg_trash` is true.

        An image from such a folder gets the label trash if the user moves it to the desktop's
        trash.
        """
        return [folder for watch in self.all if watch.xdg_trash for folder, _ in watch.folders()]

    def roots(self) -> list[bytes]:
        """Return the outermost folders of all watches.

        No folder in the list is inside another folder of the list.
        """
        return outermost(self._places)


def _watch(config: WatchConfig) -> Watch:
    inbox = expand(config.inbox)
    _check_folder(inbox, f"inbox = {config.inbox!r}")
    inside = os.fsdecode(inbox)

    def expanded(value: str | list[str], key: str) -> tuple[bytes, ...]:
        given = [value] if isinstance(value, str) else value
        folders = tuple(expand(folder, inside) for folder in given)
        for folder, text in zip(folders, given, strict=True):
            _check_folder(folder, f"{key} = {text!r}")
        return folders

    teaching = {key: expanded(value, f"grades.{key}") for key, value in config.grades.items()}
    return Watch(
        inbox,
        expanded(config.keep, "keep"),
        # A trash folder may also be given for -1 stars, which is the same.
        tuple(dict.fromkeys(expanded(config.trash, "trash") + teaching.pop("-1", ()))),
        config.taste,
        config.order,
        config.siblings,
        config.xdg_trash,
        tuple(config.like),
        tuple(config.dislike),
        tuple(
            (folder, _OF_STARS[stars]) for stars, folders in teaching.items() for folder in folders
        ),
        config.ratings,
        config.groups,
    )


def _check_folder(folder: bytes, setting: str) -> None:
    watch_folders.check(folder, setting)
    if is_links_folder(folder):
        raise ConfigError(
            f"{setting} is a folder of links that imgscore has made",
            "choose the folder that contains the images themselves",
        )


def _with_article(role: Role) -> str:
    """Return the name of a folder with this role, such as "the keep folder"."""
    if role == "inbox":
        return "the inbox folder"
    if role in ("keep", "trash"):
        return f"the {role} folder"
    return f"the folder for {role}"


def outermost(folders: Iterable[bytes]) -> list[bytes]:
    """Return the outermost of these folders, sorted.

    No folder in the list is inside another folder of the list.
    """
    kept: list[bytes] = []
    for folder in sorted(set(folders), key=lambda path: path.rstrip(b"/") + b"/"):
        if not (kept and within(folder, kept[-1])):
            kept.append(folder)
    return kept
