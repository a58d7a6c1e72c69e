"""Write, update and remove the ratings in the extended attributes of images.

The attribute is that of Dolphin and other programs of KDE: 2 for each star. A second attribute
repeats it. The rating is ours if both are equal.
"""

import errno
import os
from contextlib import suppress

from imgscore.fsutil import open_without_links
from imgscore.images.ratings.files import OWN_XATTR, XATTR
from imgscore.rate.outcome import Outcome, Result, changed, failed, state_of
from imgscore.verbs.rate import State


def write(image: bytes, seen: State, stars: int, *, dry_run: bool) -> Outcome:
    """Write or update the rating of an image. Leave the rating of another program alone.

    The attribute has no rejection: a rejected image gets one star.
    """
    text = b"%d" % (2 * max(1, stars))
    try:
        with open_without_links(image) as file:
            descriptor = file.fileno()
            before = os.fstat(descriptor)
            if (before.st_dev, before.st_ino) != seen[:2]:
                return changed()
            present, own = _get(descriptor, XATTR), _get(descriptor, OWN_XATTR)
            if present is not None and present != own:
                return Outcome("foreign")
            if present == text:
                return Outcome("unchanged")
            result: Result = "written" if present is None else "updated"
            if dry_run:
                return Outcome(result)
            # Each state in between is "no rating", and never looks like the rating of the user.
            if present is not None:
                os.removexattr(descriptor, XATTR)
            os.setxattr(descriptor, OWN_XATTR, text)
            try:
                os.setxattr(descriptor, XATTR, text)
            except OSError:
                with suppress(OSError):
                    os.removexattr(descriptor, OWN_XATTR)
                raise
            return Outcome(result, after=state_of(os.fstat(descriptor)))
    except OSError as error:
        return failed(error)


def remove(image: bytes, *, dry_run: bool) -> Outcome:
    """Remove the rating of an image if it is ours. Always remove our own attribute."""
    try:
        with open_without_links(image) as file:
            descriptor = file.fileno()
            present, own = _get(descriptor, XATTR), _get(descriptor, OWN_XATTR)
            if own is None:
                return Outcome("absent")
            result: Result = "foreign" if present else "absent"
            if present == own:
                result = "removed"
            if dry_run:
                return Outcome(result)
            if present == own:
                os.removexattr(descriptor, XATTR)
            os.removexattr(descriptor, OWN_XATTR)
            return Outcome(result, after=state_of(os.fstat(descriptor)))
    except (FileNotFoundError, NotADirectoryError):
        return Outcome("absent")
    except OSError as error:
        return failed(error)


def _get(descriptor: int, name: bytes) -> bytes | None:
    try:
        return os.getxattr(descriptor, name)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ERANGE):
            return None if error.errno == errno.ENODATA else b"?"
        raise
