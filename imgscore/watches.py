"""Which place a path lies in: the inbox, keep folder or trash folder of which watch. Pure."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from imgscore.config import Config, Direction, WatchConfig, expand
from imgscore.errors import ConfigError

Role = Literal["inbox", "keep", "trash"]


@dataclass(frozen=True)
class Watch:
    """One inbox and the folders that teach it; all paths absolute, in the file system's bytes."""

    inbox: bytes
    keep: tuple[bytes, ...]
    trash: tuple[bytes, ...]
    taste: str
    order: Direction
    siblings: bool = True
    """whether RAW, JPEG and sidecar of one name are one image: in the order, and for labels"""
    xdg_trash: bool = False
    """whether what is deleted, into the desktop's trash, is labelled trash"""

    def folders(self) -> Iterable[tuple[bytes, Role]]:
        """Every folder of the watch with its role, the inbox first."""
        yield self.inbox, "inbox"
        for folder in self.keep:
            yield folder, "keep"
        for folder in self.trash:
            yield folder, "trash"

    def roots(self) -> list[bytes]:
        """The folders that must be walked to see all of the watch: none lies in another."""
        return outermost(folder for folder, _ in self.folders())


@dataclass(frozen=True)
class Place:
    """Where a path lies."""

    watch: Watch
    role: Role


class Watches:
    """All watches of a config. Raises ConfigError where two claim the same folder."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        self.all = tuple(watches)
        self._places: dict[bytes, Place] = {}
        for watch in self.all:
            for folder, role in watch.folders():
                other = self._places.get(folder)
                if other is not None:
                    raise ConfigError(
                        f"{os.fsdecode(folder)} is both the {other.role} folder of "
                        f"{os.fsdecode(other.watch.inbox)} and the {role} folder of "
                        f"{os.fsdecode(watch.inbox)}",
                        "give each place a folder of its own",
                    )
                self._places[folder] = Place(watch, role)

    @classmethod
    def of(cls, config: Config) -> "Watches":
        """The watches that a config describes."""
        return cls(_watch(watch) for watch in config.watch)

    def locate(self, path: bytes) -> Place | None:
        """The innermost place that holds `path`; None outside of every watch."""
        folder = self.folder(path)
        return None if folder is None else self._places[folder]

    def folder(self, path: bytes) -> bytes | None:
        """The inbox, keep or trash folder that `path` lies in."""
        folder = path
        while folder not in self._places:
            parent = os.path.split(folder)[0]
            if parent == folder:
                return None
            folder = parent
        return folder

    def hides(self, path: bytes) -> bool:
        """Whether the path lies outside of every place, or a folder on the way is hidden."""
        folder = self.folder(path)
        return folder is None or b"/." in path[len(folder) :]

    def with_trash(self) -> list[bytes]:
        """The folders from which a deleted image is labelled trash."""
        return [folder for watch in self.all if watch.xdg_trash for folder, _ in watch.folders()]

    def roots(self) -> list[bytes]:
        """The outermost folders over all watches."""
        return outermost(self._places)


def _watch(config: WatchConfig) -> Watch:
    inbox = expand(config.inbox)
    if within(os.fsencode(os.path.realpath(os.path.expanduser("~"))), inbox):
        raise ConfigError(
            f"inbox = {config.inbox!r}: every picture of every program would be in it",
            "choose a folder in your home, for example ~/Pictures/inbox",
        )
    inside = os.fsdecode(inbox)

    def several(value: str | list[str]) -> tuple[bytes, ...]:
        return tuple(expand(one, inside) for one in ([value] if isinstance(value, str) else value))

    return Watch(
        inbox,
        several(config.keep),
        several(config.trash),
        config.taste,
        config.order,
        config.siblings,
        config.xdg_trash,
    )


def within(path: bytes, folder: bytes) -> bool:
    """Whether `path` is `folder` or lies under it."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def outermost(folders: Iterable[bytes]) -> list[bytes]:
    """The folders that lie in none of the others, sorted."""
    kept: list[bytes] = []
    for folder in sorted(set(folders), key=lambda one: one.rstrip(b"/") + b"/"):
        if not (kept and within(folder, kept[-1])):
            kept.append(folder)
    return kept
