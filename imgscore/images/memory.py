"""Whether decoding an image fits into what this process may still take, by the kernel's limit."""

import os
import resource

from imgscore.errors import ImageError
from imgscore.images.signature import HEIF

# What decoders hold beside Pillow's own pixels, in bytes a pixel, as measured (bench/RESULTS.md).
OF_DECODERS = {"WEBP": 12, "AVIF": 6, "JPEG2000": 16, HEIF: 6}
# What follows the decoder: bands, views, the network.
SPARE_BYTES = 64 << 20
# Fits in any case: most images, which need not be asked about.
LITTLE_BYTES = 64 << 20

REMEDY_TOO_LARGE = "scale it down, or save it as a baseline JPEG"


class HeavyImageError(ImageError):
    """The image needs more memory than this process may take; another may take more."""


def check(needed: int, what: str) -> None:
    """Raise HeavyImageError where `needed` bytes are too many now; `what` needs them."""
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if needed <= LITTLE_BYTES or limit == resource.RLIM_INFINITY:
        return
    if needed + SPARE_BYTES > limit - _taken():
        raise HeavyImageError(
            f"too large: {what} need {needed >> 20} MB to decode", REMEDY_TOO_LARGE
        )


def _taken() -> int:
    """What RLIMIT_DATA counts of this process, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
