"""The results of writing one rating, and the errors that can occur."""

import errno
import os
from dataclasses import dataclass
from typing import Literal

from imgscore.verbs.rate import State

Result = Literal["written", "updated", "unchanged", "removed", "foreign", "absent"]
"""The change of a rating. "foreign": nothing was done, because another program has rated the image
or has changed the rating by imgscore. "absent": there is no rating by imgscore to remove."""

_REMEDIES = {
    errno.ENOSPC: "free some disk space, then run the command again",
    errno.EDQUOT: "free some disk space, then run the command again",
    errno.EROFS: "this file system is read-only: mount it for writing",
    errno.EACCES: "give yourself permission to write there",
    errno.EPERM: "give yourself permission to write there",
    errno.EOPNOTSUPP: "this file system has no extended attributes: use --sidecars",
    errno.ENAMETOOLONG: "give the image a shorter name, or use --xattr",
    errno.ENOENT: "the image is gone: run imgscore scan",
    errno.ELOOP: "the folder is a symbolic link now: run imgscore scan",
}


@dataclass(frozen=True)
class Outcome:
    """The result for one image.

    `error`: the reason and the remedy, if nothing could be done. `after`: the state of the image
    after its attribute was set; None if it did not change.
    """

    result: Result
    error: str | None = None
    after: State | None = None


def failed(error: OSError) -> Outcome:
    """Return the outcome for an error of the system."""
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "check the disk and the permissions")
    return Outcome("absent", f"cannot be rated: {reason}: {remedy}")


def changed() -> Outcome:
    """Return the outcome for an image that is not the one that imgscore has read."""
    return Outcome("absent", "the image has changed: run imgscore scan, then this command again")


def state_of(status: os.stat_result) -> State:
    """Return the state of a file."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_ctime_ns,
        status.st_mtime_ns,
    )
