"""Recognise image files by their names. `signature.py` recognises image files by their bytes.

The idle daemon imports this module. It must therefore import no heavy modules.
"""

import re
from typing import Literal

# Camera raw and JPEG XL need extras of the package imgscore. The suffixes of these formats are
# accepted even if the extras are not installed. Without the extra, the file is reported as failed,
# and the remedy names the extra.
HEIF_SUFFIXES = frozenset({b".heic", b".heif", b".hif"})
RAW_SUFFIXES = frozenset(
    {b".arw", b".cr2", b".cr3", b".dng", b".nef", b".nrw", b".orf", b".pef", b".raf", b".rw2"}
    | {b".srw", b".x3f"}
)
PLAIN_SUFFIXES = frozenset(
    {b".jpg", b".jpeg", b".jpe", b".jfif", b".png", b".apng", b".gif", b".webp", b".avif"}
    | {b".bmp", b".dib", b".tif", b".tiff", b".ico", b".jp2", b".j2k", b".jpx", b".psd", b".qoi"}
    | {b".ppm", b".pgm", b".pbm", b".pnm", b".mpo", b".jps", b".jxl", b".tga", b".psb"}
)
IMAGE_SUFFIXES = PLAIN_SUFFIXES | HEIF_SUFFIXES | RAW_SUFFIXES
UNFINISHED_SUFFIXES = frozenset(
    {b".part", b".partial", b".crdownload", b".opdownload", b".download", b".filepart", b".tmp"}
    | {b".temp", b".aria2", b".!ut", b".!qb", b".bc!", b".unfinished"}
)
"""The suffixes that browsers and download programs give to unfinished downloads."""
VIDEO_SUFFIXES = frozenset(
    {b".mp4", b".mov", b".m4v", b".avi", b".mkv", b".webm", b".3gp", b".mts", b".m2ts", b".mpg"}
    | {b".mpeg", b".wmv", b".flv", b".ogv"}
)
SVG_SUFFIXES = frozenset({b".svg", b".svgz"})
COMPANION_SUFFIXES = frozenset(
    {b".aae", b".cos", b".db", b".dop", b".ini", b".json", b".pp3", b".thm", b".xmp"}
)
"""The suffixes of files that describe images: sidecars, and the caches of file managers."""

# A name that a web server or a download program has extended: `p.jpg?w=1200`, `p.jpg:large`,
# `p.jpg_large`, `p.jpg.1` and `p.jpg (2)`. In `p.jpg_original`, `p.jpg~` and `p.jpg_tmp`, other
# programs keep copies that are not meant to be seen.
_EXTENDED_NAME = re.compile(
    rb"[^.].*\.(jpe?g|jpe|jfif|png|gif|webp|avif|bmp|tiff?|heic|heif|jxl)"
    rb"([?#&;!@].*|[:_](large|orig|small|medium|thumb|[0-9]+x[0-9]+)|\.[1-9][0-9]?| \([0-9]+\))",
    re.IGNORECASE | re.DOTALL,
)

NameKind = Literal["image", "hidden", "unfinished", "video", "svg", "companion", "unknown"]
"""The kind of a file by its name."""


def is_image_name(name: bytes) -> bool:
    """Return whether `name` is the name of a finished, visible image.

    `name`: the name of the file without its folder. The bytes need not be valid UTF-8.

    The names of hidden files start with a dot and are not accepted. The names of unfinished
    downloads are not accepted.
    """
    dot = name.rfind(b".")
    if dot <= 0 or name.startswith(b"."):
        return False
    if name[dot:].lower() in IMAGE_SUFFIXES:
        return True
    return _EXTENDED_NAME.fullmatch(name) is not None and not is_unfinished_name(name)


def is_unfinished_name(name: bytes) -> bool:
    """Return whether `name` is the name of an unfinished download."""
    return name[name.rfind(b".") :].lower() in UNFINISHED_SUFFIXES


def kind_of_name(name: bytes) -> NameKind:
    """Return the kind of a file by its name without its folder."""
    if is_image_name(name):
        return "image"
    suffix = name[name.rfind(b".") :].lower()
    if name.startswith(b"."):
        return "hidden" if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES else "companion"
    for suffixes, kind in _KINDS:
        if suffix in suffixes:
            return kind
    return "unknown"


_KINDS: tuple[tuple[frozenset[bytes], NameKind], ...] = (
    (UNFINISHED_SUFFIXES, "unfinished"),
    (VIDEO_SUFFIXES, "video"),
    (SVG_SUFFIXES, "svg"),
    (COMPANION_SUFFIXES, "companion"),
)
