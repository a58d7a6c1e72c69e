"""How much memory images may take: the kernel's limit for this process, and what one needs."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from imgscore.errors import ImageError
from imgscore.images.signature import HEIF

# What decoders hold beside Pillow's own pixels, in bytes a pixel, as measured (bench/RESULTS.md).
OF_DECODERS = {"WEBP": 12, "AVIF": 6, "JPEG2000": 16, HEIF: 6}
# What follows the decoder: bands, views, the network.
SPARE_BYTES = 64 << 20
# Fits in any case: most images, which need not be asked about.
LITTLE_BYTES = 64 << 20

REMEDY_TOO_LARGE = "scale it down, or save it as a baseline JPEG"


class NeedsMemoryError(ImageError):
    """The image needs more memory than this process may take; another may take more."""


def cap(most: int) -> None:
    """This process never takes more than `most` bytes, nor than who started it lets it."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def allow(more: int) -> None:
    """From here on this process may take `more` bytes beyond what it has; 0 = up to its hard limit.

    Where there is no hard limit, nothing is limited.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(
            resource.RLIMIT_DATA, (min(hard, _taken() + more) if more else hard, hard)
        )


@contextmanager
def apart(more: int) -> Iterator[None]:
    """What is loaded inside does not count towards the `more` bytes that are allowed after it."""
    allow(0)
    yield
    allow(more)


def is_modest() -> bool:
    """Whether another process may take more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    return soft != hard


def check(needed: int, what: str) -> None:
    """Raise HeavyImageError where `needed` bytes are too many now; `what` needs them."""
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if needed <= LITTLE_BYTES or limit == resource.RLIM_INFINITY:
        return
    if needed + SPARE_BYTES > limit - _taken():
        raise NeedsMemoryError(
            f"too large: {what} need {needed >> 20} MB to decode", REMEDY_TOO_LARGE
        )


def _taken() -> int:
    """What RLIMIT_DATA counts of this process, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
