"""Cheap facts about an image beside its embedding: size, file, camera, light and colour."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

# EXIF tag numbers.
MAKE, MODEL, SOFTWARE = 0x010F, 0x0110, 0x0131
ORIENTATION, EXIF_IFD, GPS_IFD, TAKEN = 0x0112, 0x8769, 0x8825, 0x9003
MAX_TEXT = 100
"""Characters kept of an EXIF text: files may hold megabytes of it."""


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about one image. Width and height are those after EXIF rotation."""

    width: int
    """pixels"""
    height: int
    """pixels"""
    format: str
    """the format as Pillow names it, such as JPEG or PNG; else HEIF or RAW"""
    bytes_per_pixel: float
    """size of the file / (width × height)"""
    camera: str = ""
    """make and model from EXIF"""
    software: str = ""
    """software from EXIF: screenshot tools and editors write it"""
    taken: str = ""
    """DateTimeOriginal from EXIF, as ISO text"""
    located: bool = False
    """whether EXIF has a GPS position; the position itself is not kept"""
    alpha: bool = False
    """whether a pixel is not opaque"""
    animated: bool = False
    """whether the image has more than one frame"""
    brightness: float = 0.0
    """mean luma, from 0 to 1"""
    contrast: float = 0.0
    """standard deviation of luma, from 0 to 0.5"""
    colourfulness: float = 0.0
    """mean difference of a pixel's largest and smallest channel, from 0 to 1"""
    sharpness: float = 0.0
    """mean luma step between neighbouring pixels of the working size, from 0 to 1"""


class Exif(NamedTuple):
    """The EXIF fields that are used, cleaned."""

    camera: str = ""
    software: str = ""
    taken: str = ""
    located: bool = False
    orientation: int = 1


def clean(value: object) -> str:
    """An EXIF text without padding and control characters; '' for a value that is no text."""
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value if letter.isprintable()).strip()[:MAX_TEXT]


def camera_name(make: str, model: str) -> str:
    """Make and model as one name; many models already begin with their make."""
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


def iso_time(value: str) -> str:
    """EXIF's `2024:05:06 12:34:56` as `2024-05-06T12:34:56`; '' for any other text."""
    date, _, time = value.partition(" ")
    try:
        return datetime.fromisoformat(f"{date.replace(':', '-')}T{time}").isoformat()
    except ValueError:
        return ""
