"""The verb `groups`: list the groups of similar images, best image first.

On request, the best image of each group gets the label keep, and the others get the label trash.
Images in a trash folder are left out, unless the request names a folder inside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, get_args

import msgspec

from imgscore.errors import UsageError
from imgscore.messages import BaseRequest, PathText, Progress, Result
from imgscore.verbs.argument_checks import folder_of
from imgscore.verbs.base import Steps, Waiting, display_path
from imgscore.verbs.group_labels import LabelledGroup, label_best

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.schema import Sighting
    from imgscore.store.transaction import Txn

Kind = Literal["bursts", "near-duplicates", "copies"]
KINDS: tuple[Kind, ...] = get_args(Kind)
UNCOMPARED = "images that are not compared yet"
"""The name of the progress that ends an answer if groups may be missing."""
EQUAL_BYTES = "The bytes of these files are equal."
PAGE = 200
"""The number of groups that are read in one transaction. It takes about 10 ms, and a daemon answers
other clients in between."""
PAGE_FILES = 5000
"""The number of files that are searched for copies in one transaction, which takes about 10 ms."""


class Member(msgspec.Struct):
    """An image of a group."""

    path: str
    """the path of the image"""
    sha256: str
    """the digest of the image; copies have equal digests"""
    score: float | None
    """the probability that you would keep the image, from 0 to 1; null if there is no score"""
    label: str | None
    """the label of the image: `keep`, `undecided` or `trash`; null if it has no label"""
    grade: float | None
    """the grade of the label, from 0 (trash) to 1 (keep); null if the image has no label"""
    width: int | None
    """the width in pixels; null if it is not known"""
    height: int | None
    """the height in pixels; null if it is not known"""
    bytes: int | None
    """the size of the file in bytes; null if it is not known"""
    sharpness: float | None
    """the sharpness at full resolution; null if it is not measured"""
    taken: str | None
    """the time of the photograph from EXIF, as ISO text; null if it is not known"""


class GroupRow(msgspec.Struct):
    """A group. A file is in at most one of the listed groups."""

    kind: Kind
    """`bursts`: photographs of one moment; `near-duplicates`: almost equal images; `copies`: files
    with equal bytes"""
    files: list[str]
    """the paths of the images, the best image first"""
    why: str
    """one sentence about what the images have in common"""
    members: list[Member]
    """the images, in the order of `files`"""


Response = GroupRow | LabelledGroup


class Request(BaseRequest[Response]):
    """`folder`: only images in this folder count. None means all watched folders.

    `kind`: list only the groups of this kind. None means all kinds.

    `label`: "best" labels the best image of each group keep, and the others trash; `kind` is then
    not "copies". `dry_run`: return the labels, and store none.
    """

    needs_watch: ClassVar[bool] = True
    folder: PathText | None = None
    kind: Kind | None = None
    label: Literal["best"] | None = None
    dry_run: bool = False


class ListedGroup(NamedTuple):
    """A group with the files that count, best image first."""

    kind: Kind
    why: str
    files: list[Sighting]


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a GroupRow for each group: bursts, near-duplicates, and then copies.

    If labels are requested, yield a LabelledGroup for each group that gets labels or is skipped.
    If images are not compared yet, the last message is their number; see UNCOMPARED.
    """
    if request.label is not None:
        if request.kind == "copies":
            raise UsageError(
                "copies have equal bytes, so they share one label",
                "use --kind bursts or --kind near-duplicates",
            )
        yield from until_found(engine)
        yield from label_best(
            engine, folder_of(request.folder), request.kind, dry_run=request.dry_run
        )
        yield from _uncompared(engine)
        return
    yield from until_found(engine)
    describe = _Describer(engine)
    for group in listed(engine, request.folder, request.kind):
        if group is None:
            yield None
            continue
        with engine.ctx.store.read() as txn:
            members = [describe(txn, file) for file in group.files]
        paths = [member.path for member in members]
        yield Result(GroupRow(group.kind, paths, group.why, members))
    yield from _uncompared(engine)


def _uncompared(engine: Engine) -> Steps[Any]:
    """Yield the number of images that are not compared or not indexed yet, if there are some."""
    total = engine.group_finder.uncompared + engine.indexer.pending
    if total:
        yield Progress(UNCOMPARED, 0, total)


def until_found(engine: Engine) -> Steps[Any]:
    """Wait until the new images are compared, and yield the progress.

    Do not wait while this work has to wait itself, for example for images that are indexed first.
    """
    waiting, reported = Waiting(engine, engine.group_finder), None
    while engine.group_finder.busy:
        progress = engine.group_finder.progress
        if progress is not None and progress != reported:
            reported = progress
            yield Progress("comparing images", *progress)
        yield from waiting.step()


def listed(
    engine: Engine, folder: str | None, kind: Kind | None = None
) -> Iterator[ListedGroup | None]:
    """Yield the groups of a request. Yield None if the engine has to take a step first.

    Copies that belong to a larger group are listed only there, unless `kind` is "copies".
    """
    chosen = _Files(engine, folder_of(folder))
    for wanted in KINDS if kind is None else (kind,):
        if wanted == "copies":
            yield from _copies(engine, chosen, repeat=kind is not None)
        else:
            yield from _similar(engine, chosen, wanted)


class _Files:
    """The files that count: those in the folder of the request, or in all watched folders."""

    def __init__(self, engine: Engine, folder: bytes | None) -> None:
        self._watches = engine.ctx.watches
        self._folder = folder
        place = None if folder is None else self._watches.locate(folder)
        self._with_trash = place is not None and place.role == "trash"

    def of(self, txn: Txn, digest: bytes) -> list[Sighting]:
        """Return the files of an image that count, the original before its copies."""
        from imgscore.groups.copy_names import original_first
        from imgscore.store import sightings

        found = [file for file in sightings.of_digest(txn, digest) if self._counts(file)]
        return sorted(found, key=lambda file: original_first(file.path))

    def _counts(self, file: Sighting) -> bool:
        from imgscore.watches import within

        if file.gone_ns or (self._folder is not None and not within(file.path, self._folder)):
            return False
        place = self._watches.image_place(file.path)
        return place is not None and (self._with_trash or place.role != "trash")


def _similar(engine: Engine, chosen: _Files, kind: Kind) -> Iterator[ListedGroup | None]:
    """Yield the groups of a kind that the store contains, in the order of their numbers."""
    from imgscore.store import groups
    from imgscore.store.group_order import best_images_first

    number = 0
    while True:
        found: list[ListedGroup] = []
        with engine.ctx.store.read() as txn:
            page = list(islice(groups.iter_after(txn, number), PAGE))
            for group in page:
                if group.kind != kind:
                    continue
                images = [(member, chosen.of(txn, member)) for member in group.members]
                present = [digest for digest, files in images if files]
                if len(present) > 1:
                    files_of = dict(images)
                    best = best_images_first(txn, present, None, group.wholes)
                    files = [file for digest in best for file in files_of[digest]]
                    found.append(ListedGroup(kind, group.why, files))
        yield from found
        if len(page) < PAGE:
            return
        number = page[-1].number
        yield None


def _copies(engine: Engine, chosen: _Files, *, repeat: bool) -> Iterator[ListedGroup | None]:
    """Yield the images that have several files. `repeat`: also those of other groups."""
    from imgscore.store import sightings

    digest = b""
    while True:
        found: list[ListedGroup] = []
        with engine.ctx.store.read() as txn:
            page = list(islice(sightings.digests_after(txn, digest), PAGE_FILES))
            rest = len(page) == PAGE_FILES
            # Further files of the last image may be on the next page. It is read with them then.
            last = page[-1] if rest and page[0] != page[-1] else b""
            for digest, same in groupby(item for item in page if item != last):
                if len(list(same)) < 2:
                    continue
                files = chosen.of(txn, digest)
                if len(files) > 1 and (repeat or not _is_listed(txn, chosen, digest)):
                    found.append(ListedGroup("copies", EQUAL_BYTES, files))
        yield from found
        if not rest:
            return
        yield None


def _is_listed(txn: Txn, chosen: _Files, digest: bytes) -> bool:
    """Return whether an image is in a group of several images that count."""
    from imgscore.store import groups

    group = groups.of(txn, digest)
    members = group.members if group is not None else ()
    return any(member != digest and chosen.of(txn, member) for member in members)


class _Describer:
    """Makes a Member of each file. It reads the head of each taste once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._heads: dict[str, str | None] = {}

    def __call__(self, txn: Txn, file: Sighting) -> Member:
        from imgscore.store import labels, qualities, scores, traits

        place = self._engine.ctx.watches.locate(file.path)
        score = label = None
        if place is not None:
            taste = place.watch.taste
            if taste not in self._heads:
                self._heads[taste] = self._engine.ctx.ordering_head(taste)
            head = self._heads[taste]
            score = scores.get(txn, taste, head, file.digest) if head else None
            label = labels.current(txn, taste, file.digest)
        known, quality = traits.get(txn, file.digest), qualities.of(txn, file.digest)
        return Member(
            path=display_path(file.path),
            sha256=file.digest.hex(),
            score=None if score is None else round(score[0], 6),
            label=None if label is None else label.label,
            grade=None if label is None else label.grade,
            width=known.width if known else None,
            height=known.height if known else None,
            bytes=file.seen.size,
            sharpness=quality.sharpness if quality else None,
            taken=(known.taken or None) if known else None,
        )
