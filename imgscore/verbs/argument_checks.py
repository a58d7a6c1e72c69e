"""Checks the arguments `folder`, `file` and `taste` of all requests before a verb runs.

The fields have the same meaning in every Request. `folder` is the absolute path of a folder that
exists and is in a watched folder; see `any_folder` of BaseRequest for the exception. `taste` is the
name of a taste that exists: a watch has it, or the store contains labels or heads of it.
"""

from __future__ import annotations

import os
import stat
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any

from imgscore.errors import ConfigError, UsageError
from imgscore.messages import BaseRequest
from imgscore.verbs.base import absolute_path, display_path

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.transaction import Txn
    from imgscore.watches import Watches

MAX_NAMES = 5
"""The largest number of names that an error lists, so that it fits into a few lines."""
SIMILARITY = 0.75
"""The smallest similarity of a name that an error proposes, from 0 to 1. Names that share only a
suffix, such as zzz.png and a.png, have 0.67."""
MAX_ENTRIES = 10_000
"""The largest number of folder entries that are compared with a wrong name. Comparing 10,000 names
takes about 0.1 s."""


def check(engine: Engine, request: BaseRequest[Any]) -> None:
    """Check the fields `folder`, `file` and `taste` of a request, if it has these fields.

    Raises UsageError if a value is wrong, and ConfigError if a watched folder is needed and the
    config has none.
    """
    folder: str | None = getattr(request, "folder", None)
    if folder is not None:
        check_folder(engine.ctx.watches, folder, watched=not request.any_folder)
    taste: str | None = getattr(request, "taste", None)
    if taste is not None and taste not in engine.trainer.tastes:
        with engine.ctx.store.read() as txn:
            check_taste(txn, taste, {watch.taste for watch in engine.ctx.watches.all})
    if request.needs_file:
        _check_file(getattr(request, "file", ""))


def folder_of(folder: str | None) -> bytes | None:
    """Return the path of a folder as bytes, without symbolic links. None stays None."""
    return None if folder is None else os.path.realpath(absolute_path(folder))


def check_folder(watches: Watches, folder: str, *, watched: bool) -> None:
    """Raise UsageError if a folder is missing, or if `watched` is true and it is not watched."""
    given = absolute_path(folder)
    path = os.path.realpath(given)
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        if any(path == root for root, _ in _folders(watches)):
            raise UsageError(
                f"{display_path(path)} is watched, but it is not there now",
                "if it is on another disk, connect this disk",
            ) from None
        near = nearest(given, folders=True)
        raise UsageError(
            f"{display_path(given)} does not exist",
            f"did you mean {display_path(near)}?" if near else _watched(watches),
        ) from None
    except OSError as error:
        raise UsageError(
            f"{display_path(path)}: {error.strerror}", "check the permissions of the folder"
        ) from None
    if not is_folder:
        raise UsageError(
            f"{display_path(path)} is not a folder",
            f"give a folder, for example {display_path(os.path.dirname(path))}",
        )
    if not watched:
        return
    if not watches.all:
        raise ConfigError("no folder is watched yet", "add a folder: imgscore init INBOX")
    if watches.locate(path) is None:
        raise UsageError(
            f"{display_path(path)} is not in a watched folder",
            f"{_watched(watches)}; to watch another folder: imgscore init INBOX",
        )
    if watches.hides(path):
        raise UsageError(
            f"{display_path(path)} is hidden, so imgscore does not read it", _watched(watches)
        )


def _folders(watches: Watches) -> list[tuple[bytes, str]]:
    return [pair for watch in watches.all for pair in watch.folders()]


def _watched(watches: Watches) -> str:
    """Return a remedy that lists the watched inboxes."""
    inboxes = [display_path(watch.inbox) for watch in watches.all]
    return (
        f"give a watched folder: {listed(inboxes)}" if inboxes else "check the name of the folder"
    )


def listed(names: list[str]) -> str:
    """Return the first names of a list as text, and how many more there are."""
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _check_file(file: str) -> None:
    """Raise UsageError if there is no file at this path. An empty path is not checked."""
    if not file:
        return
    path = absolute_path(file)
    if not os.path.exists(path):
        near = nearest(path, folders=False)
        raise UsageError(
            f"{display_path(path)}: there is no such file",
            f"did you mean {display_path(near)}?" if near else "check the name of the file",
        )
    if os.path.isdir(path):
        raise UsageError(f"{display_path(path)} is a folder", "give a file")


def no_such_file(path: bytes) -> str:
    """Return a text that says that there is no file at `path`, with the most similar name."""
    near = nearest(path, folders=False)
    remedy = f"did you mean {display_path(near)}?" if near else "check the name"
    return f"there is no such file: {remedy}"


def nearest(path: bytes, *, folders: bool) -> bytes | None:
    """Return the existing path that is most similar to `path`, which does not exist.

    Only the first missing name in `path` is compared, with the names beside it. `folders`: whether
    only folders are compared. Return None if no name is similar.
    """
    parent, name = os.path.split(path)
    while parent != os.path.dirname(parent) and not os.path.isdir(parent):
        parent, name = os.path.split(parent)
    try:
        with os.scandir(parent) as entries:
            names = {
                os.fsdecode(entry.name).casefold(): entry.name
                for entry in islice(entries, MAX_ENTRIES)
                if not folders or entry.is_dir()
            }
    except OSError:
        return None
    matches = get_close_matches(os.fsdecode(name).casefold(), names, n=1, cutoff=SIMILARITY)
    return os.path.join(parent, names[matches[0]]) if matches else None


def check_taste(txn: Txn, taste: str, watched: set[str]) -> None:
    """Raise UsageError if `taste` does not exist. `watched`: the tastes of all watches."""
    from imgscore.store import counts, heads, labels

    if taste in watched:
        return
    if labels.count(txn, taste) or heads.of_taste(txn, taste):
        return
    existing = sorted(watched | counts.tastes(txn))
    raise UsageError(
        f"there is no taste {taste!r}",
        f"use a taste that exists: {listed(existing)}; for a folder with a new taste: "
        f"imgscore init INBOX --taste {taste}"
        if existing
        else f"to watch a folder with this taste: imgscore init INBOX --taste {taste}",
    )
