"""Write, update and remove the XMP sidecars that contain the stars of imgscore.

The sidecar of `a.jpg` is `a.jpg.xmp`, and that of `a.CR2` is `a.CR2.xmp`: digiKam and darktable
read these names. A sidecar is ours if it has exactly the bytes that imgscore writes; any program
that changes it makes it its own.
"""

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress

from imgscore.apply.folders import Folders
from imgscore.apply.mover import listed
from imgscore.images.ratings import names
from imgscore.images.ratings.xmp import OWN_NAMESPACE
from imgscore.rate.outcome import Outcome, changed, failed
from imgscore.system.rename import NeedsLinkError, link_and_unlink, rename
from imgscore.verbs.rate import State

STARS = (-1, 1, 2, 3, 4, 5)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_IMAGE_MODE = 0o666
"""The permissions that a sidecar takes from its image: to read and to write, not to execute."""


def content(stars: int) -> bytes:
    """Return the bytes of a sidecar."""
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="imgscore">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:imgscore="{OWN_NAMESPACE}"
   xmp:Rating="{stars}"
   imgscore:Stars="{stars}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
""".encode()


OWN = frozenset(map(content, STARS))
"""All sidecars that imgscore writes."""


_UNFINISHED = re.compile(rb"\.imgscore-[0-9a-f]{12}\.part")
"""The name of a sidecar that is being written."""


def path_of(image: bytes) -> bytes:
    """Return the path of the sidecar of an image."""
    return image + names.SUFFIX


def write(folders: Folders, image: bytes, seen: State, stars: int, *, dry_run: bool) -> Outcome:
    """Write or update the sidecar of an image. Leave sidecars of other programs alone."""
    folder_path, name = os.path.split(path_of(image))
    try:
        folder = folders.open(folder_path)
        status = os.stat(os.path.basename(image), dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) != seen[:2]:
            return changed()
        present = _read(folder, name)
        if present == content(stars):
            return Outcome("unchanged")
        if present is not None and present not in OWN:
            return Outcome("foreign")
        if present is None and _has_other_sidecar(folder, image):
            return Outcome("foreign")
        result = Outcome("written" if present is None else "updated")
        if not dry_run:
            _put(folder, name, content(stars), status, replaces=present is not None)
        return result
    except FileExistsError:
        return Outcome("foreign")
    except OSError as error:
        return failed(error)


def remove(folders: Folders, image: bytes, *, dry_run: bool) -> Outcome:
    """Remove the sidecar of an image if it is ours."""
    folder_path, name = os.path.split(path_of(image))
    try:
        folder = folders.open(folder_path)
        present = _read(folder, name)
        if present is None:
            return Outcome("absent")
        if present not in OWN:
            return Outcome("foreign")
        if not dry_run:
            os.unlink(name, dir_fd=folder)
        return Outcome("removed")
    except (FileNotFoundError, NotADirectoryError):
        return Outcome("absent")
    except OSError as error:
        # A name that is too long for a sidecar never had one.
        return Outcome("absent") if error.errno == errno.ENAMETOOLONG else failed(error)


def remove_unfinished(folders: Folders, folder_path: bytes) -> None:
    """Remove the unfinished sidecars of a killed process from a folder.

    Files that are locked are left alone: another process is writing them. If the folder cannot be
    read, or a file cannot be removed, nothing happens.
    """
    with suppress(OSError):
        folder = folders.open(folder_path)
        for name in listed(folder):
            if _UNFINISHED.fullmatch(name):
                with suppress(OSError):
                    _remove_unlocked(folder, name)


def _remove_unlocked(folder: int, name: bytes) -> None:
    present = _read(folder, name)
    if present is None or not any(own.startswith(present) for own in OWN):
        return
    descriptor = os.open(name, _READ, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    finally:
        os.close(descriptor)


def _read(folder: int, name: bytes) -> bytes | None:
    """Return the first bytes of a file, or None if there is none.

    The result for a link, a folder or another special file is b"", which is not ours.
    """
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            return b""
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.read(descriptor, 2 * max(map(len, OWN)))
    finally:
        os.close(descriptor)


def _has_other_sidecar(folder: int, image: bytes) -> bool:
    """Return whether the image has a sidecar with another of the usual names."""
    others = [*names.exact_sidecars(image), *names.stem_sidecars(image)]
    return any(_exists(folder, os.path.basename(other)) for other in others)


def _exists(folder: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _put(folder: int, name: bytes, data: bytes, image: os.stat_result, *, replaces: bool) -> None:
    """Write a file in one step. Raises FileExistsError if it is new and its name is taken.

    The file gets the date of its image, because imgscore gives an image and its sidecars one common
    date: with another date, the next order would set the date of the image again.
    """
    mode = stat.S_IMODE(image.st_mode) & _IMAGE_MODE
    unfinished = b".imgscore-%s.part" % os.urandom(6).hex().encode()
    descriptor = os.open(unfinished, _WRITE, mode, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with suppress(OSError):  # Some file systems have no locks.
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # See remove_unfinished.
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.utime(descriptor, ns=(image.st_atime_ns, image.st_mtime_ns))
            os.fsync(descriptor)
            if not replaces:
                _rename_new(folder, unfinished, name)
            elif _read(folder, name) in OWN:
                os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
            else:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished, dir_fd=folder)
        raise


def _rename_new(folder: int, unfinished: bytes, name: bytes) -> None:
    try:
        rename(folder, unfinished, folder, name)
    except NeedsLinkError:
        link_and_unlink(folder, unfinished, folder, name)
