"""Makes a folder of links to images, numbered so that a viewer shows them in order of the names.

Only a new or empty folder is used, or a folder that contains only such links. No other file is ever
removed or overwritten.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from imgscore.errors import ImgscoreError, UsageError

_NUMBERED = re.compile(r"\d{4,} .+", re.DOTALL)
MAX_NAME_BYTES = 255
"""The largest length of a file name in bytes, on all common file systems of Linux."""


def check(folder: Path) -> None:
    """Raise UsageError if the folder contains anything but numbered links."""
    try:
        with os.scandir(folder) as entries:
            foreign = next((entry for entry in entries if not _is_numbered_link(entry)), None)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", "give the name of a new folder") from None
    if foreign is not None:
        raise UsageError(
            f"{folder} contains {foreign.name}, which is not a link that imgscore made",
            "give the name of a new folder",
        )


def write(folder: Path, images: Sequence[str]) -> None:
    """Fill the folder with relative links to the images. Remove its earlier numbered links.

    `images`: the absolute paths of the images, best image first. Raises ImgscoreError if a link
    cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check(folder)
        for entry in list(os.scandir(folder)):
            os.unlink(entry.path)
        real = os.path.realpath(folder)
        digits = max(4, len(str(len(images))))
        for number, image in enumerate(images, 1):
            os.symlink(
                os.path.relpath(image, real), os.path.join(real, _name(number, digits, image))
            )
    except OSError as error:
        raise ImgscoreError(
            f"the links in {folder} cannot be made: {error.strerror}",
            "choose a folder that you can write to, on a disk that supports links",
        ) from None


def _is_numbered_link(entry: "os.DirEntry[str]") -> bool:
    return entry.is_symlink() and _NUMBERED.fullmatch(entry.name) is not None


def _name(number: int, digits: int, image: str) -> str:
    """Return "0001 name.jpg". A name that is too long is cut before its suffix."""
    stem, suffix = os.path.splitext(os.path.basename(image))
    prefix = f"{number:0{digits}d} "
    room = MAX_NAME_BYTES - len(prefix) - len(os.fsencode(suffix))
    return prefix + os.fsdecode(os.fsencode(stem)[:room]) + suffix
