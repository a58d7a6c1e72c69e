"""Brings a folder of links up to date, for the commands `links` and `search`."""

import os
from collections.abc import Sequence

from imgscore import dispatch
from imgscore.errors import ConfigError, UsageError
from imgscore.links import folder, hard_folders, place
from imgscore.links.folder import Change, Image, Options
from imgscore.watches import Watches


def check(path: bytes) -> None:
    """Raise UsageError if the folder cannot be a folder of links, such as a watched folder."""
    try:
        place.check(path, os.fsdecode(path), Watches.of(dispatch.settings_in_force()))
    except ConfigError as error:
        raise UsageError(error.message, error.remedy) from None


def refresh(
    path: bytes,
    images: Sequence[Image],
    options: Options,
    *,
    dry_run: bool = False,
    must_be_new: bool = False,
) -> list[Change]:
    """Make the folder contain exactly these images, best image first, and return the changes.

    `path`: the absolute path without symbolic links. `must_be_new`: whether to refuse a folder with
    other files, if imgscore did not make it. In a watched folder, it is always refused. Raises
    ImgscoreError if the folder cannot be used.
    """
    watches = Watches.of(dispatch.settings_in_force())
    if options.kind == "hard" and not dry_run:
        hard_folders.register(path)
    return folder.refresh(
        path,
        images,
        options,
        dry_run=dry_run,
        must_be_new=must_be_new or place.is_watched(path, watches),
    )
