"""The update of one open folder of links: finds the differences, and makes the changes.

Before the first change, the list of the folder names all old and all new files. So after a crash,
each file that imgscore has made is in the list.
"""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec

from imgscore.links import files, manifest
from imgscore.links.manifest import Entry, Kind
from imgscore.links.names import chosen_names
from imgscore.system.system_folders import LINKS_FILE

MAX_NAME_BYTES = 255
"""The largest length of a file name in bytes, on most file systems of Linux."""
# Errors that concern one name or one image. After any other error, the folder is not usable.
_OF_ONE_FILE = frozenset(
    {errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EMLINK, errno.ENOENT}
)


class Image(NamedTuple):
    """An image that the folder should contain: its digest, and the absolute path of its file."""

    digest: bytes
    path: bytes


class Options(NamedTuple):
    """The options of a folder of links. `top`: the largest number of images."""

    kind: Kind = "link"
    rank_prefix: bool = False
    top: int = 500


class Change(NamedTuple):
    """What was done with one file of the folder, or would be done.

    `what`: "left" means that imgscore leaves the file to the user from now on, because it is the
    last hard link of its image. `rank`: 1 is the best image; None for a file that was removed.
    """

    what: Literal["made", "renamed", "kept", "removed", "left"]
    name: bytes
    image: str
    digest: str
    rank: int | None = None
    error: str | None = None


class _Step(NamedTuple):
    """The wanted file of one image. `old`: the present file of the image, if it can be used."""

    rank: int
    image: Image
    entry: Entry
    old: Entry | None

    def change(self, what: Literal["made", "renamed", "kept"], error: str | None = None) -> Change:
        name, image = self.entry.file_name, self.entry.image
        return Change(what, name, image, self.entry.digest, self.rank, error)


class Update:
    """One update. `folder`: a descriptor of the folder, which the caller has locked.

    None means that the folder does not exist yet. `path`: its path without symbolic links.
    """

    def __init__(self, folder: int | None, path: bytes, options: Options) -> None:
        self._folder = folder
        self._path = path
        self._options = options
        self._ours: dict[bytes, Entry] = {}
        """the files that imgscore has made and that are unchanged, by name"""
        self._listed: list[Entry] = []
        self.foreign: list[bytes] = []
        """the names of all other files in the folder"""
        self._unfinished: list[bytes] = []

    def read(self) -> bool:
        """Read the folder. Return whether imgscore has made it. Raises OSError."""
        assert self._folder is not None
        found = manifest.read(self._folder, os.fsdecode(self._path))
        self._listed = found or []
        self._ours = {
            entry.file_name: entry for entry in self._listed if files.is_ours(self._folder, entry)
        }
        for name in map(os.fsencode, sorted(os.listdir(self._folder))):
            if found is not None and files.is_unfinished(name):
                self._unfinished.append(name)
            elif name not in self._ours and name != LINKS_FILE:
                self.foreign.append(name)
        return found is not None

    def preview(self, images: Sequence[Image]) -> list[Change]:
        """Return the changes that `run` would make."""
        steps = self._steps(images)
        changes = [step.change(_kind_of(step)) for step in steps]
        return changes + [_removed(entry) for entry in self._unwanted(steps)]

    def run(self, images: Sequence[Image]) -> list[Change]:
        """Change the folder, and return the changes. Raises OSError if the folder is unusable."""
        folder = self._folder
        assert folder is not None
        steps = self._steps(images)
        unwanted = self._unwanted(steps)
        for name in self._unfinished:
            os.unlink(name, dir_fd=folder)
        if not unwanted and all(_kind_of(step) == "kept" for step in steps):
            if self._listed != list(self._ours.values()) or not self._is_marked():
                manifest.write(folder, list(self._ours.values()))
            return [step.change("kept") for step in steps]
        manifest.write(folder, [*self._ours.values(), *(step.entry for step in steps)])
        try:
            removed = [self._remove(entry) for entry in unwanted]
            self._make_room(steps)
            changes = [self._do(step) for step in steps]
        except BaseException:
            with suppress(OSError):  # The list that was written before names all files.
                manifest.write(folder, list(self._ours.values()))
            raise
        manifest.write(folder, list(self._ours.values()))
        return changes + removed

    def _is_marked(self) -> bool:
        return self._folder is not None and files.exists(self._folder, LINKS_FILE)

    # ---- the differences

    def _steps(self, images: Sequence[Image]) -> list[_Step]:
        """Return the wanted file of each image that is on the disk."""
        options = self._options
        old = {entry.digest: entry for entry in self._ours.values() if entry.kind == options.kind}
        usable = [image for image in images if self._is_usable(image, old)]
        names = chosen_names(
            [image.path for image in usable],
            [
                old[image.digest.hex()].file_name if image.digest.hex() in old else None
                for image in usable
            ],
            self.foreign,
            top=options.top if options.rank_prefix else None,
            portable=options.kind == "copy",
            limit=self._name_limit(),
        )
        steps = []
        for rank, (image, name) in enumerate(zip(usable, names, strict=True), 1):
            entry = self._entry(name, image)
            present = old.get(entry.digest)
            if present is not None and not _leads_to_same(present, entry):
                present = None
            if present is not None:
                entry = msgspec.structs.replace(present, name=entry.name, image=entry.image)
            steps.append(_Step(rank, image, entry, present))
        return steps

    def _is_usable(self, image: Image, old: dict[str, Entry]) -> bool:
        """Return whether the folder can contain an image now.

        A copy stays if the disk of its image is not mounted.
        """
        if os.path.isfile(image.path):
            return True
        return self._options.kind == "copy" and image.digest.hex() in old

    def _name_limit(self) -> int:
        if self._folder is None:
            return MAX_NAME_BYTES
        with suppress(OSError, ValueError):
            return min(os.fpathconf(self._folder, "PC_NAME_MAX"), MAX_NAME_BYTES)
        return MAX_NAME_BYTES

    def _entry(self, name: bytes, image: Image) -> Entry:
        kind, digest, path = self._options.kind, image.digest.hex(), os.fsdecode(image.path)
        entry = Entry(os.fsdecode(name), kind, digest, path)
        if kind == "link":
            target = os.path.relpath(os.path.realpath(image.path), self._path)
            return msgspec.structs.replace(entry, target=os.fsdecode(target))
        if kind == "hard":
            with suppress(OSError):
                status = os.lstat(image.path)
                return msgspec.structs.replace(entry, identity=files.identity(status))
        return entry

    def _unwanted(self, steps: Sequence[_Step]) -> list[Entry]:
        used = {step.old.name for step in steps if step.old is not None}
        return [entry for entry in self._ours.values() if entry.name not in used]

    # ---- the changes

    def _remove(self, entry: Entry) -> Change:
        assert self._folder is not None
        del self._ours[entry.file_name]
        if not files.is_ours(self._folder, entry):
            return _removed(entry)
        if entry.kind == "hard" and self._is_last_name(entry.file_name):
            return _removed(entry)._replace(what="left")
        os.unlink(entry.file_name, dir_fd=self._folder)
        return _removed(entry)

    def _is_last_name(self, name: bytes) -> bool:
        return os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_nlink == 1

    def _make_room(self, steps: Sequence[_Step]) -> None:
        """Free the names of the files that get another name: two files may swap their names.

        A symbolic link or a hard link is made again. A copy is renamed to a temporary name.
        """
        assert self._folder is not None
        self._moving: dict[str, bytes] = {}
        for step in steps:
            if step.old is None or _kind_of(step) == "kept":
                continue
            name = step.old.file_name
            if step.old.kind == "copy":
                self._moving[step.entry.digest] = files.unfinished_name()
                files.move(self._folder, name, self._moving[step.entry.digest])
            elif step.old.kind == "hard" and self._is_last_name(name):
                continue
            else:
                os.unlink(name, dir_fd=self._folder)
            del self._ours[name]

    def _do(self, step: _Step) -> Change:
        what = _kind_of(step)
        if what == "kept":
            self._ours[step.entry.file_name] = step.entry
            return step.change(what)
        try:
            entry = self._make(step)
        except files.SourceError as error:
            return step.change(what, f"the image cannot be read: {error.strerror}")
        except OSError as error:
            if error.errno not in _OF_ONE_FILE and not (
                step.entry.kind == "hard" and error.errno in (errno.EPERM, errno.EACCES)
            ):
                raise
            return step.change(what, _text(error, step.entry))
        self._ours[entry.file_name] = entry
        return step.change(what)

    def _make(self, step: _Step) -> Entry:
        assert self._folder is not None
        name, entry = step.entry.file_name, step.entry
        if entry.kind == "link":
            files.make_link(self._folder, name, os.fsencode(entry.target))
        elif entry.kind == "hard":
            files.make_hard_link(self._folder, name, step.image.path)
        elif (moving := self._moving.get(entry.digest)) is not None:
            files.move(self._folder, moving, name)
        else:
            identity, content = files.make_copy(self._folder, name, step.image.path)
            content = "" if content == entry.digest else content
            return msgspec.structs.replace(entry, identity=identity, content=content)
        return entry


def _kind_of(step: _Step) -> Literal["made", "renamed", "kept"]:
    if step.old is None:
        return "made"
    return "kept" if step.old.name == step.entry.name else "renamed"


def _leads_to_same(present: Entry, entry: Entry) -> bool:
    """Return whether a present file needs at most another name."""
    if entry.kind == "hard":
        same = present.identity is not None and entry.identity is not None
        return same and present.identity[1] == entry.identity[1]  # type: ignore[index]
    return present.target == entry.target


def _removed(entry: Entry) -> Change:
    return Change("removed", entry.file_name, entry.image, entry.digest)


def _text(error: OSError, entry: Entry) -> str:
    if error.errno == errno.EEXIST:
        return "a file with this name has appeared in the folder; run the command again"
    if error.errno == errno.EMLINK:
        return "the image has too many hard links"
    if entry.kind == "hard" and error.errno in (errno.EPERM, errno.EACCES):
        return (
            "no hard link can be made: the image belongs to another user, or the file system has "
            "no hard links; make symbolic links (without --hard), or copies (--copy)"
        )
    return f"{error.strerror}; rename the image"
