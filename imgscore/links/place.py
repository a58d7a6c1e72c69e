"""Refuses folders that must not be a folder of links."""

import os

from imgscore import watch_folders
from imgscore.errors import ConfigError
from imgscore.watch_folders import within
from imgscore.watches import Watches


def check(folder: bytes, setting: str, watches: Watches) -> None:
    """Check that links may be made in a folder.

    `folder`: the absolute path without symbolic links. `setting`: the name of the folder, for the
    message. Raises ConfigError.
    """
    remedy = "choose another folder, for example ~/Pictures/best"
    try:
        watch_folders.check(folder, setting)
    except ConfigError as error:
        raise ConfigError(error.message, remedy) from None
    for watch in watches.all:
        for watched, role in watch.folders():
            if watched == folder or watch_folders.same_folder((watched, folder)) is not None:
                kind = "an inbox" if role == "inbox" else f"a {role} folder"
                raise ConfigError(f"{setting} is {kind} that imgscore watches", remedy)
            if within(watched, folder):
                raise ConfigError(
                    f"{setting} would include the watched folder {os.fsdecode(watched)}", remedy
                )


def is_watched(folder: bytes, watches: Watches) -> bool:
    """Return whether a watched folder contains this folder."""
    return watches.folder(folder) is not None
