"""Facts about an image that are easy to compute: size, file, camera, light and colour."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

# These are the numbers of EXIF tags.
MAKE, MODEL, SOFTWARE = 0x010F, 0x0110, 0x0131
ORIENTATION, EXIF_IFD, GPS_IFD, TAKEN = 0x0112, 0x8769, 0x8825, 0x9003
EXPOSURE_BIAS, SUBSECONDS = 0x9204, 0x9291
MAX_EXPOSURE_BIAS = 100.0
"""The largest absolute exposure bias that is kept, in stops. Cameras have at most 10."""
GRID_SIDE = 16
"""The number of rows and of columns of the grid of an image."""
FINE_GRID_SIDE = 64
"""The number of rows and of columns of the fine grid of an image. It shows whether the details of
two images agree, and is small enough to be stored for each image."""
MAX_TEXT = 100
"""The largest number of characters of an EXIF text that are kept. A file may contain megabytes of
EXIF text."""


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about one image. `width` and `height` are the sizes of the upright image."""

    width: int
    """the width in pixels"""
    height: int
    """the height in pixels"""
    format: str
    """the name of the format: HEIF, RAW, or the name that Pillow uses, for example JPEG"""
    bytes_per_pixel: float
    """the size of the file in bytes / (width × height)"""
    camera: str = ""
    """the make and model of the camera from EXIF"""
    software: str = ""
    """the software from EXIF; screenshot tools and editors write this field"""
    taken: str = ""
    """the time of the photograph (EXIF DateTimeOriginal) as ISO text"""
    located: bool = False
    """whether EXIF contains a GPS position; the position itself is not stored"""
    alpha: bool = False
    """whether at least one pixel is not opaque"""
    animated: bool = False
    """whether the image has more than one frame"""
    brightness: float = 0.0
    """the mean luma, from 0 to 1"""
    contrast: float = 0.0
    """the standard deviation of luma, from 0 to 0.5"""
    colourfulness: float = 0.0
    """the mean difference between a pixel's largest and smallest channel, from 0 to 1"""
    sharpness: float = 0.0
    """the mean difference in luma between neighbouring pixels of the reduced image, from 0 to 1"""
    grid: bytes = b""
    """the mean luma (0 to 255) of each part of the image, divided into 16 × 16 parts; for the
    search for near-duplicates; empty in answers, and in stores of older versions"""
    subseconds: float = 0.0
    """the fraction of the second in which the photograph was taken, from EXIF, from 0 to 1"""
    exposure_bias: float | None = None
    """the exposure bias from EXIF, in stops; null if it is not known"""
    fine_grid: bytes = b""
    """the same as `grid` with 64 × 64 parts, as a JPEG of 1 to 2 kB; stored in a table of its
    own, and empty in answers"""


class Exif(NamedTuple):
    """The EXIF fields that imgscore uses. The texts are without padding and control characters."""

    camera: str = ""
    software: str = ""
    taken: str = ""
    located: bool = False
    orientation: int = 1
    subseconds: float = 0.0
    exposure_bias: float | None = None


def clean(value: object) -> str:
    """Return an EXIF text without padding and control characters, or '' if it is not a text."""
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value if letter.isprintable()).strip()[:MAX_TEXT]


def fraction(value: object) -> float:
    """Return the digits of an EXIF subsecond text, such as `25`, as a fraction: 0.25. Else 0."""
    digits = clean(value)
    return float(f"0.{digits}") if digits.isascii() and digits.isdigit() else 0.0


def stops(value: object) -> float | None:
    """Return an EXIF exposure bias, which is a rational number, in stops. Else None."""
    try:
        bias = round(float(value), 2)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return bias if abs(bias) <= MAX_EXPOSURE_BIAS else None


def camera_name(make: str, model: str) -> str:
    """Return the make and model of a camera as one name.

    If the model already begins with the make, the name is only the model.
    """
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


def iso_time(value: str) -> str:
    """Return the EXIF time `2024:05:06 12:34:56` as `2024-05-06T12:34:56`.

    The result is '' if the text is not an EXIF time.
    """
    date, _, time = value.partition(" ")
    try:
        return datetime.fromisoformat(f"{date.replace(':', '-')}T{time}").isoformat()
    except ValueError:
        return ""
