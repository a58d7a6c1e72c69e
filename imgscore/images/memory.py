"""Memory limits of a process that decodes images, set with the kernel's RLIMIT_DATA.

The hard limit is the largest memory that the process may ever use. A process whose soft limit is
lower than its hard limit is a low-memory worker. If an image needs more memory than the soft limit
allows, NeedsMemoryError is raised. A worker with more memory then tries the image again.
"""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from imgscore.errors import ImageError
from imgscore.images.signature import HEIF

DECODER_BYTES_PER_PIXEL = {"WEBP": 12, "AVIF": 6, "JPEG2000": 16, HEIF: 6}
"""The number of bytes that a decoder allocates for each pixel, in addition to the decoded image, by
format. The numbers were measured (bench/RESULTS.md). Decoders of all other formats allocate almost
no additional memory."""
RESERVED_BYTES = 64 << 20
"""The memory in bytes that is kept free for the steps after decoding: the conversion in bands, the
views and the network."""
UNCHECKED_BYTES = 64 << 20
"""The largest memory in bytes that an image may need without a check. Most images need less. For
these images, the memory in use is not read from /proc."""

REMEDY_TOO_LARGE = "scale the image down, or save it as a baseline JPEG"


class NeedsMemoryError(ImageError):
    """The error for an image that needs more memory than this process may use.

    A worker with more memory may be able to decode the image.
    """


def set_hard_limit(limit: int) -> None:
    """Limit the memory of this process to `limit` bytes until the process ends.

    If the hard limit is already lower than `limit`, it remains unchanged, because only root may
    raise a hard limit.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def set_headroom(headroom: int) -> None:
    """Set the soft limit to the memory in use plus `headroom` bytes.

    If `headroom` is 0, the soft limit is set to the hard limit. If the process has no hard limit,
    the function does nothing.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard != resource.RLIM_INFINITY:
        soft = min(hard, _used_bytes() + headroom) if headroom else hard
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def uncounted(headroom: int) -> Iterator[None]:
    """Raise the soft limit to the hard limit during a with block.

    At the end of the block, the soft limit is set to the memory in use plus `headroom` bytes. Load
    a model inside such a block: the size of the model then does not reduce the headroom.
    """
    set_headroom(0)
    yield
    set_headroom(headroom)


def is_low_memory() -> bool:
    """Return whether the soft limit of this process is lower than its hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    return soft != hard


def check(needed: int, subject: str) -> None:
    """Raise NeedsMemoryError if this process may not allocate `needed` more bytes.

    `subject`: the name of the data that needs the memory, for the text of the error.
    """
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if needed <= UNCHECKED_BYTES or limit == resource.RLIM_INFINITY:
        return
    if needed + RESERVED_BYTES > limit - _used_bytes():
        raise NeedsMemoryError(
            f"too large: {subject} need {needed >> 20} MB to decode", REMEDY_TOO_LARGE
        )


def _used_bytes() -> int:
    """Return the memory of this process in bytes, as RLIMIT_DATA counts it."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
