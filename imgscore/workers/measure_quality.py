"""Measure the technical quality of one image, at its full resolution."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING

from imgscore.fsutil import open_regular
from imgscore.groups.best import Quality
from imgscore.images import acuity, jpeg, signature
from imgscore.images.decode import decode
from imgscore.workers.index_file import MAX_BYTES
from imgscore.workers.messages import Unreadable, Unstable
from imgscore.workers.quality_messages import QualityMeasured

if TYPE_CHECKING:
    from imgscore.workers.context import Context
    from imgscore.workers.quality_messages import MeasureQuality

WEBP_STEP = 6.0
"""The step that is assumed for a lossy WebP file, whose filter hides the steps of its own and of an
earlier compression: that of a JPEG with the quality 75."""
FULL_SIDE = 1 << 20
"""A side in pixels that is larger than the side of any image, so that no image is reduced."""


def measure_quality(
    context: Context, task: MeasureQuality
) -> QualityMeasured | Unstable | Unreadable:
    """Decode the file at its full resolution, and measure its quality.

    The answer is Unstable if the digest of the file is no longer `task.digest`. Raises ImageError
    if the image cannot be decoded, and NeedsMemoryError or MemoryError if it needs more memory than
    this process may use.
    """
    try:
        with open_regular(task.path) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(min(size, MAX_BYTES) + 1)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return Unstable()
        return Unreadable(f"cannot be read: {error.strerror}", "check the file")
    if hashlib.sha256(data).digest() != task.digest:
        return Unstable()
    return QualityMeasured(quality_of(data))


def quality_of(data: bytes) -> Quality:
    """Return the quality of the bytes of an image file. Raises the errors of `decode`."""
    picture = decode(data, FULL_SIDE, settled=True)
    is_lossy_webp = picture.traits.format == "WEBP" and signature.is_lossy_webp(data)
    measured = acuity.measure(picture.pixels, WEBP_STEP if is_lossy_webp else 1.0)
    return Quality(
        pixels=picture.traits.width * picture.traits.height,
        bytes=len(data),
        sharpness=measured.sharpness,
        detail=measured.detail,
        noise=measured.noise,
        step=measured.step,
        compression=jpeg.quality(data) if picture.traits.format == "JPEG" else None,
        highlights=measured.highlights,
        shadows=measured.shadows,
        tones=measured.tones,
        brightness=measured.brightness,
        white=measured.white,
        ringing=measured.ringing,
    )
