"""Makes the missing thumbnails of a review while the review is open, those on the screen first.

A running daemon makes them. Otherwise a pool of this process does, which needs no access to the
store: another command can use the store at the same time.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from itertools import islice
from typing import TYPE_CHECKING

from imgscore import client, dispatch, paths
from imgscore.cli.review_answers import FinishedThumbnails
from imgscore.errors import ImgscoreError, NoDaemonError
from imgscore.messages import Result
from imgscore.verbs import thumbnails

if TYPE_CHECKING:
    from imgscore.workers.pool import Pool

BATCH = 8
"""The number of images that are sent to the workers at a time. If the user scrolls, new tiles wait
for the end of the batch: about half a second with two workers and photographs of 12 megapixels."""
MAX_BACKGROUND = 100_000
"""The largest number of thumbnails that one review makes before the page asks for them. The daemon
keeps 1 GB of thumbnails, which is about this number."""
WAIT_SECONDS = 25.0
"""The longest wait of `finished_after`, in seconds. It is shorter than the timeouts of browsers."""
RETRY_SECONDS = 5.0
"""Seconds until the next try if no thumbnail can be made at present, for example because the disk
is full."""
POLL_SECONDS = 0.25
"""The longest wait for workers, in seconds. After each wait, the end of the review is checked."""
END_SECONDS = 10.0
"""The longest wait for the end of the thread, in seconds. The end of a worker takes up to 2 s."""


class ReviewThumbnails:
    """A queue of missing thumbnails, and the thread that has them made.

    The thread starts with the first missing thumbnail. The methods may be called from any thread.
    """

    def __init__(self, folder: bytes) -> None:
        self._folder = folder
        self._changed = threading.Condition()
        self._missing: dict[str, str] = {}
        """the path of each image that waits, by sha256, in the order of the page"""
        self._wanted: list[str] = []
        """the images that the page shows, the first one is made first"""
        self._busy: dict[str, str] = {}
        """the images that are made now"""
        self._finished: list[tuple[str, bool]] = []
        """the sha256 of each finished image, and whether its thumbnail was made"""
        self._failed: set[str] = set()
        self._background = MAX_BACKGROUND
        self._thread: threading.Thread | None = None
        self._connection: socket.socket | None = None
        self._ended = False

    def missing(self, digests: Iterable[str]) -> set[str]:
        """Return those of these sha256 that have no thumbnail, but may get one."""
        names = os.listdir(os.fsdecode(self._folder))
        missing = set(digests).difference([name.removesuffix(".webp") for name in names])
        with self._changed:
            return missing - self._failed

    def show(self, images: Iterable[tuple[str, str]]) -> None:
        """Replace the images of the page.

        `images`: the sha256 and the path of each image without a thumbnail, in the order in which
        the thumbnails are made.
        """
        with self._changed:
            self._missing = dict(images)
            for digest in self._busy:
                self._missing.pop(digest, None)
            self._wanted = []
            if self._missing and self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def want(self, digests: list[str]) -> None:
        """Make the thumbnails of these images first. The call replaces the earlier ones."""
        with self._changed:
            self._wanted = [digest for digest in digests if digest in self._missing]
            self._changed.notify_all()

    def finished_after(self, at: int) -> FinishedThumbnails:
        """Return the thumbnails that were finished after the number `at`.

        If there are none, wait for some, for at most WAIT_SECONDS.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._finished) > at, WAIT_SECONDS)
            new = self._finished[at:]
            return FinishedThumbnails(
                len(self._finished),
                [digest for digest, made in new if made],
                [digest for digest, made in new if not made],
            )

    def end(self) -> None:
        """End the thread, and all waits. Thumbnails that are made now may be lost."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            if self._connection is not None:
                with suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(END_SECONDS)

    def _take(self) -> list[thumbnails.Image]:
        """Wait for missing thumbnails, and return some of them. The list is empty at the end."""
        with self._changed:
            while not self._ended:
                batch = [digest for digest in self._wanted if digest in self._missing][:BATCH]
                if len(batch) < BATCH and self._background > 0:
                    others = (digest for digest in self._missing if digest not in batch)
                    batch += islice(others, min(BATCH - len(batch), self._background))
                if batch:
                    self._background -= len(batch)
                    self._busy = {digest: self._missing.pop(digest) for digest in batch}
                    return [thumbnails.Image(self._busy[digest], digest) for digest in batch]
                self._changed.wait()
            return []

    def _finish(self, digest: str, *, made: bool) -> None:
        with self._changed:
            del self._busy[digest]
            self._finished.append((digest, made))
            if not made:
                self._failed.add(digest)
            self._changed.notify_all()

    def _requeue(self) -> None:
        """Let the images that were not finished wait again, before the others."""
        with self._changed:
            self._missing = self._busy | self._missing
            self._background += len(self._busy)
            self._busy = {}

    def _work(self) -> None:
        with ExitStack() as stack:
            pool: Pool | None = None
            while batch := self._take():
                try:
                    connection = client.connect_to_daemon()
                    if connection is not None:
                        stack.close()
                        pool = None
                        self._ask_daemon(connection, batch)
                    else:
                        pool = pool or stack.enter_context(_open_pool())
                        self._make(pool, batch)
                except NoDaemonError:
                    pass  # the daemon has ended: the next batch finds another way
                except (ImgscoreError, OSError):
                    stack.close()
                    pool = None
                    with self._changed:
                        self._changed.wait_for(lambda: self._ended, RETRY_SECONDS)
                self._requeue()

    def _ask_daemon(self, connection: socket.socket, batch: list[thumbnails.Image]) -> None:
        with connection:
            with self._changed:
                self._connection = None if self._ended else connection
                if self._ended:
                    return
            try:
                for message in client.call(connection, thumbnails.Request(batch)):
                    if isinstance(message, Result):
                        self._finish(message.row.sha256, made=message.row.file is not None)
            finally:
                with self._changed:
                    self._connection = None

    def _make(self, pool: Pool, batch: list[thumbnails.Image]) -> None:
        """Make thumbnails in the workers of this process.

        Raises ImgscoreError if a thumbnail cannot be made at present. It then stays in `_busy`.
        """
        from imgscore.workers.messages import (
            Interrupted,
            MakeThumbnail,
            ModelUnavailable,
            Notice,
            ThumbnailMade,
        )

        left = [
            MakeThumbnail(
                os.fsencode(image.path),
                bytes.fromhex(image.sha256),
                os.path.join(self._folder, f"{image.sha256}.webp".encode()),
            )
            for image in batch
        ]
        while self._busy and not self._ended:
            while left and pool.submit(left[0]):
                left.pop(0)
            for task, answer in pool.answers(POLL_SECONDS):
                match answer:
                    case Notice():
                        pass
                    case Interrupted(reason, remedy) | ModelUnavailable(reason, remedy):
                        raise ImgscoreError(reason, remedy)
                    case _:
                        assert isinstance(task, MakeThumbnail)
                        self._finish(task.digest.hex(), made=isinstance(answer, ThumbnailMade))


def _open_pool() -> Pool:
    from imgscore.engine.engine import open_pool

    return open_pool(paths.store_folder(), dispatch.settings_in_force(), paths.heads_folder())
