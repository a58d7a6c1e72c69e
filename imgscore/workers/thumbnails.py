"""Make thumbnails. Their files are small, because a page can show ten thousand thumbnails.

The name of a thumbnail's file is the digest of the image.
"""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING

from imgscore.errors import ImageError
from imgscore.fsutil import open_regular, replacing
from imgscore.images.memory import NeedsMemoryError
from imgscore.workers.index_file import MAX_BYTES
from imgscore.workers.messages import ThumbnailMade, Unreadable, Unstable

if TYPE_CHECKING:
    from imgscore.workers.context import Context
    from imgscore.workers.messages import MakeThumbnail

SIDE = 512
"""The length in pixels of the longer side of a thumbnail. The page shows 255 CSS pixels of a photo
of 3:2, and a high-resolution screen has 2 pixels for each CSS pixel. 512 pixels need 8.2 kB, 360
need 5.1 kB (15 photos)."""
QUALITY = 72
"""The quality of the thumbnails, on WebP's scale of 0 to 100. At an equal likeness (SSIM .976),
AVIF saves 19 % of the bytes but takes twice the CPU time, and not every Pillow can write it."""


def make_thumbnail(context: Context, task: MakeThumbnail) -> ThumbnailMade | Unstable | Unreadable:
    """Decode the file like the embedders do, and save the image as a thumbnail.

    The answer is Unstable if the digest of the file is no longer `task.digest`. Raises
    NeedsMemoryError if the image needs more memory than this process may use.
    """
    try:
        data = _read(task.path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Unstable()
        return Unreadable(f"cannot be read: {error.strerror}", "check the file")
    if hashlib.sha256(data).digest() != task.digest:
        return Unstable()
    try:
        _save(data, task.file)
    except NeedsMemoryError:
        raise
    except ImageError as error:
        return Unreadable(error.message, error.remedy)
    except OSError as error:
        return Unreadable(f"its thumbnail cannot be written: {error.strerror}", "check the disk")
    return ThumbnailMade()


def _read(path: bytes) -> bytes:
    with open_regular(path) as file:
        size = min(os.fstat(file.fileno()).st_size, MAX_BYTES)
        return file.read(size + 1)


def _save(data: bytes, file: bytes) -> None:
    from PIL import Image

    from imgscore.images.decode import decode

    image = Image.fromarray(decode(data, settled=True).pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    with replacing(file, durable=False) as output:
        image.save(output, "WEBP", quality=QUALITY)
