"""Read the ratings that other programs have stored for one image.

The sidecars and the metadata of a file are untrusted, like its pixels. Only small parts are read.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from imgscore.images.ratings import files
from imgscore.store.schema import Fingerprint
from imgscore.workers.messages import Unreadable, Unstable
from imgscore.workers.rating_messages import RatingSource, RatingsRead

if TYPE_CHECKING:
    from imgscore.workers.context import Context
    from imgscore.workers.rating_messages import ReadRatings


def read_ratings(context: Context, task: ReadRatings) -> RatingsRead | Unstable | Unreadable:
    """Return the sources of the rating of an image.

    The answer is Unstable if there is no file.
    """
    try:
        status, sources = files.read(task.path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return Unstable()
        return Unreadable(f"cannot be read: {error.strerror}", "check the file")
    return RatingsRead(
        Fingerprint.of_stat(status),
        [
            RatingSource(
                source.name,
                source.path,
                Fingerprint.of_stat(source.status),
                source.value,
                source.problem,
            )
            for source in sources
        ],
    )
