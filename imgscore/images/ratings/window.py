"""Read small parts of a file by their offsets, with a limit of all reads together."""

import os

from imgscore.images.ratings.values import UnreadableError

MAX_TOTAL_BYTES = 16 << 20
"""The largest number of bytes that are read from one file. A packet has at most 4 MB, and one read
fetches at least `_PAGE` bytes."""
MAX_READS = 50_000
"""The largest number of reads of one file. A PNG of 400 MB in chunks of 8 kB needs as many, and
they take 0.2 s."""
_PAGE = 512
"""The smallest number of bytes that are fetched at once. The headers of neighbouring parts of a
file are then in one page."""
_REMEDY = "write the metadata again with the program that made the file"


class Window:
    """The bytes of a file from the offset `start` on. `descriptor`: the open file."""

    def __init__(self, descriptor: int, start: int = 0) -> None:
        self._descriptor = descriptor
        self._start = start
        self._left, self._reads = MAX_TOTAL_BYTES, MAX_READS
        self._page, self._page_at = b"", 0
        self.size = max(os.fstat(descriptor).st_size - start, 0)

    def at(self, offset: int, size: int) -> bytes:
        """Return `size` bytes at an offset, or fewer at the end of the file.

        Raises UnreadableError if the limits of the reads are reached.
        """
        if offset < 0 or offset >= self.size or size <= 0:
            return b""
        place = offset - self._page_at
        if place >= 0 and place + size <= len(self._page):
            return self._page[place : place + size]
        wanted = max(size, _PAGE)
        self._left -= wanted
        self._reads -= 1
        if self._left < 0 or self._reads < 0:
            raise UnreadableError("its metadata are too large, or scattered over the file", _REMEDY)
        data = os.pread(self._descriptor, wanted, self._start + offset)
        self._page, self._page_at = data, offset
        return data[:size]

    def below(self, start: int) -> "Window":
        """Return the bytes of the same file from the offset `start` of this window on."""
        return Window(self._descriptor, self._start + start)
