"""Memory limits of a process that decodes images, set with the kernel's RLIMIT_DATA.

The hard limit is what this process may ever use. A soft limit below it marks a low-memory worker:
an image that needs more raises NeedsMemoryError there, and a worker without that limit retries it.
"""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from imgscore.errors import ImageError
from imgscore.images.signature import HEIF

DECODER_BYTES_PER_PIXEL = {"WEBP": 12, "AVIF": 6, "JPEG2000": 16, HEIF: 6}
"""Bytes a pixel that a decoder allocates beside Pillow's own pixels; measured (bench/RESULTS.md).
Formats that are missing here allocate next to nothing."""
RESERVED_BYTES = 64 << 20
"""Memory kept free for the steps after decoding: bands, views and the network."""
UNCHECKED_BYTES = 64 << 20
"""Memory that fits in any case. Most images need less, and skip the read of /proc."""

REMEDY_TOO_LARGE = "scale it down, or save it as a baseline JPEG"


class NeedsMemoryError(ImageError):
    """The image needs more memory than this process may use; another worker may have it."""


def set_hard_limit(limit: int) -> None:
    """Limit this process to `limit` bytes for good, or to its present hard limit if that is lower.

    Only root may raise a hard limit.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def set_headroom(headroom: int) -> None:
    """Set the soft limit to the present use plus `headroom` bytes; 0 sets it to the hard limit.

    Does nothing where there is no hard limit.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard != resource.RLIM_INFINITY:
        soft = min(hard, _used_bytes() + headroom) if headroom else hard
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def uncounted(headroom: int) -> Iterator[None]:
    """Lift the soft limit inside, then set it again to `headroom` bytes above the new use.

    For loading a model: its size does not count towards the headroom.
    """
    set_headroom(0)
    yield
    set_headroom(headroom)


def is_low_memory() -> bool:
    """Whether this process has a soft limit below its hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    return soft != hard


def check(needed: int, subject: str) -> None:
    """Raise NeedsMemoryError if `needed` bytes exceed the soft limit. `subject` needs them."""
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if needed <= UNCHECKED_BYTES or limit == resource.RLIM_INFINITY:
        return
    if needed + RESERVED_BYTES > limit - _used_bytes():
        raise NeedsMemoryError(
            f"too large: {subject} need {needed >> 20} MB to decode", REMEDY_TOO_LARGE
        )


def _used_bytes() -> int:
    """Bytes of this process that RLIMIT_DATA counts."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
