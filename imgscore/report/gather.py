"""Gather the data of a report from the store, and write the data into one JSON file.

This module runs in a worker, so the daemon needs no memory for the data.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imgscore.errors import ImgscoreError
from imgscore.fsutil import write_atomic
from imgscore.groups.copy_names import original_first
from imgscore.heads.evaluate import evaluate
from imgscore.heads.recipes import AUTO, recipe
from imgscore.heads.results import Evaluation, comparison_of, pairs_of, quality_of
from imgscore.heads.suspects import contradicting, suspects
from imgscore.paths import thumbnail
from imgscore.report.blur import blurs_of
from imgscore.report.data import (
    ELSEWHERE,
    Failure,
    Group,
    Head,
    Image,
    Learned,
    Measured,
    Neighbour,
    ReportData,
    Suspect,
    TrainedHead,
    dump,
    load_learned,
)
from imgscore.store import (
    comparisons,
    failures,
    groups,
    heads,
    labels,
    qualities,
    scores,
    sightings,
    similarity,
    traits,
)
from imgscore.store.examples import Labelled, examples_of
from imgscore.store.group_members import PresentGroup, groups_among
from imgscore.store.group_order import unmeasured
from imgscore.store.image_paths import present_path
from imgscore.watches import within

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.heads.base import Fitted
    from imgscore.store.schema import Sighting
    from imgscore.store.transaction import Txn

NEIGHBOURS = 4
"""The largest number of images that are shown beside a suspect. One line of the page has room for
this number."""
EQUAL = "The bytes of these files are equal."


class Gatherer:
    """An object that gathers the data of a report about one taste, in one transaction of the store.

    In this class, the "number" of an image is the index of the image in `_images`.
    """

    def __init__(
        self, txn: Txn, spec: Spec, taste: str, inboxes: set[bytes], folder: bytes | None
    ) -> None:
        self._txn = txn
        self._spec = spec
        self._taste = taste
        self._head = heads.current(txn, taste)
        self._traits_of = traits.getter(txn)
        self._score_of = scores.getter(txn, taste, self._head.version if self._head else "")
        self._inboxes = inboxes
        self._folder = folder
        self._folders: dict[bytes, int] = {}
        self._cameras: dict[str, int] = {}
        self._images: list[Image] = []
        self._digests: list[bytes] = []
        self._paths: list[bytes | None] = []
        self._formats: list[str] = []
        self._grids: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._sightings: dict[bytes, list[Sighting]] = {}
        self._labels = dict(labels.iter_all(txn, taste))
        self._failures = [
            failure for failure in failures.iter_all(txn) if self._includes(failure.path)
        ]
        failed = {failure.path for failure in self._failures}
        for sighting in sightings.iter_all(txn):
            path = sighting.path
            if sighting.inbox in inboxes and self._includes(path) and path not in failed:
                self._add(sighting.digest, path, sighting)
        self._present = len(self._images)

    def _includes(self, path: bytes) -> bool:
        return self._folder is None or within(path, self._folder)

    def _add(self, digest: bytes, path: bytes | None, sighting: Sighting | None) -> int:
        """Add an image to the page, and return its number.

        `sighting`: a sighting of the image. None means that the image is in no watch or has been
        deleted.
        """
        folder, slash, name = (path or b"").rpartition(b"/")
        folder = folder or slash
        image_traits, score = self._traits_of(digest), self._score_of(digest)
        label = self._labels.get(digest)
        self._images.append(
            Image(
                name=os.fsdecode(name),
                folder=self._folders.setdefault(folder, len(self._folders)),
                sha256=digest.hex(),
                score=round(score[0], 4) if score else None,
                deviation=round(score[1], 4) if score else None,
                label=label.label if label else None,
                place=sighting.role if sighting else ELSEWHERE,
                width=image_traits.width if image_traits else 0,
                height=image_traits.height if image_traits else 0,
                bytes=sighting.seen.size if sighting else 0,
                grade=label.grade if label else None,
                taken=image_traits.taken if image_traits else "",
                camera=self._camera(image_traits.camera if image_traits else ""),
            )
        )
        self._digests.append(digest)
        self._paths.append(path)
        self._formats.append(image_traits.format if image_traits else "")
        self._grids.append(image_traits.grid if image_traits else b"")
        number = len(self._images) - 1
        self._numbers.setdefault(digest, number)
        if sighting is not None:
            self._sightings.setdefault(digest, []).append(sighting)
        return number

    def _camera(self, name: str) -> int:
        return self._cameras.setdefault(name, len(self._cameras)) if name else -1

    def _number(self, digest: bytes) -> int:
        """Return the number of a labelled image.

        Add the image first if it is not on the page yet.
        """
        number = self._numbers.get(digest)
        if number is not None:
            return number
        path = present_path(self._txn, self._taste, self._inboxes, digest)
        return self._add(digest, path, None)

    def gather(
        self,
        previous: Learned | None,
        *,
        max_suspects: int,
        figures: bool,
        stop: Callable[[], bool],
    ) -> ReportData:
        """Gather all data of the report.

        `previous`: a part of an earlier report, or None. The evaluation in `previous` is used
        again if the embedder and the labels have not changed since that report. `max_suspects`: the
        largest number of suspect labels; 0 looks for none, which saves seconds. `figures`: whether
        to measure the learning curve. `stop`: a function that returns whether to end the
        measurement early.
        """
        labelled: Labelled | None = None
        unlearned = ""
        # With a head, only the suspects and the figures need the examples: in a library of 100,000
        # images, they take 5 s of CPU time.
        if max_suspects or figures or self._head is None:
            try:
                labelled = examples_of(self._txn, self._spec, self._taste)
            except ImgscoreError as error:
                unlearned = f"{error.message}: {error.remedy}"
        fitted = recipe(AUTO).fit(labelled.examples) if labelled and max_suspects else None
        # Find the suspects before `self._images` is used below: `_suspects` can add images to it.
        suspect_labels = (
            self._suspects(labelled, fitted, max_suspects) if labelled and fitted else []
        )
        learned_of = (self._spec.id, labels.last_sequence(self._txn))
        evaluation = previous.evaluation if previous and previous.learned_of == learned_of else None
        if evaluation is not None and not evaluation.curve:
            evaluation = None
        if figures and labelled and (evaluation is None or evaluation.left_out):
            evaluation = evaluate(labelled.examples, fitted=fitted, stop=stop)
        for image, blur in zip(self._images, blurs_of(self._grids), strict=True):
            image.blur = blur
        return ReportData(
            taste=self._taste,
            folder=None if self._folder is None else os.fsdecode(self._folder),
            head=self._current_head(),
            embedder=self._spec.id,
            images=self._images,
            folders=[os.fsdecode(folder) for folder in self._folders],
            suspects=suspect_labels,
            groups=self._groups(),
            answers=comparisons.count(self._txn, self._taste),
            labels=len(self._labels),
            uncompared=self._uncompared(),
            cameras=list(self._cameras),
            failures=[
                Failure(os.fsdecode(failure.path), failure.reason, failure.remedy)
                for failure in self._failures
            ],
            unlearned=unlearned,
            evaluation=evaluation or self._evaluation_as_trained(),
            heads=self._heads(),
            learned_of=learned_of,
        )

    def _evaluation_as_trained(self) -> Evaluation | None:
        """Return an evaluation with the quality that was measured when the current head was
        trained.

        This evaluation has no learning curve. Return None if there is no head, or if the quality of
        the current head was not measured.
        """
        if self._head is None:
            return None
        quality, pairs = quality_of(self._head.report), pairs_of(self._head.report)
        if quality is None and pairs is None:
            return None
        return Evaluation(str(self._head.report.get("kind")), quality, [], None, pairs=pairs)

    def _current_head(self) -> Head | None:
        head = self._head
        if head is None:
            return None
        return Head(head.version, head.created_ns, head.labels, comparison_of(head.report))

    def _heads(self) -> list[TrainedHead]:
        in_use = self._head.version if self._head else None
        return [
            TrainedHead(
                head=head.version,
                in_use=head.version == in_use,
                accepted=head.accepted,
                labels=head.labels,
                report=Measured(quality_of(head.report)),
            )
            for head in heads.of_taste(self._txn, self._taste)
        ]

    def _suspects(self, labelled: Labelled, fitted: Fitted, limit: int) -> list[Suspect]:
        """Find at most `limit` suspect labels of images that are still on disk.

        For each suspect image, also find the most similar images that have the opposite label.
        """
        examples = labelled.examples
        rows = labelled.features(examples.embeddings)
        found: list[Suspect] = []
        for suspect in suspects(examples, fitted):
            if len(found) == limit:
                break
            digest = labelled.digests[suspect.row]
            if present_path(self._txn, self._taste, self._inboxes, digest) is None:
                continue
            cosine = rows @ rows[suspect.row]
            cosine[~contradicting(examples, suspect)] = -np.inf
            nearest = np.argsort(-cosine, kind="stable")[:NEIGHBOURS]
            found.append(
                Suspect(
                    image=self._number(digest),
                    label=labelled.labels[suspect.row].label,
                    score=round(suspect.score, 4),
                    neighbours=[
                        Neighbour(
                            image=self._number(labelled.digests[row]),
                            similarity=round(float(cosine[row]), 4),
                        )
                        for row in nearest.tolist()
                        if np.isfinite(cosine[row])
                    ],
                )
            )
        return found

    def _groups(self) -> list[Group]:
        """Return the groups of images, and the copies with equal bytes.

        The group with the best image of all is returned first. Groups without an image in an inbox
        are left out.
        """
        measured = {digest: row.quality for digest, row in qualities.iter_all(self._txn)}
        found = [
            self._stored(group)
            for group in groups_among(
                self._txn,
                lambda digest: self._sightings.get(digest, ()),
                lambda digest: measured.get(digest) or unmeasured(self._traits_of(digest)),
            )
        ]
        copies: dict[bytes, list[int]] = {}
        for number in range(self._present):
            if len(self._sightings[self._digests[number]]) >= groups.MIN_MEMBERS:
                copies.setdefault(self._digests[number], []).append(number)
        for numbers in copies.values():
            numbers.sort(key=lambda number: original_first(self._paths[number] or b""))
            found.append(self._group("copies", EQUAL, numbers))
        shown = [
            group
            for group in found
            if len(group.images) > 1
            and any(self._images[number].place == "inbox" for number in group.images)
        ]
        return sorted(shown, key=lambda group: self._rank(group.images[0]), reverse=True)

    def _uncompared(self) -> int:
        """Return the number of images that are not compared with the others yet."""
        if self._present < groups.MIN_MEMBERS:
            return 0
        index = similarity.state(self._txn)
        if index is None or index.embedder != self._spec.image_embedder:
            return self._present
        return similarity.queue_length(self._txn)

    def _stored(self, present: PresentGroup) -> Group:
        """Return a group of the store, without the images that are not on the page."""
        members = [
            (self._numbers[member.digest], member.quality.sharpness)
            for member in present.members
            if self._numbers.get(member.digest, self._present) < self._present
        ]
        numbers = [number for number, _ in members]
        return self._group(present.kind, present.why, numbers, [sharp for _, sharp in members])

    def _group(
        self, kind: str, why: str, numbers: list[int], sharpness: Sequence[float | None] = ()
    ) -> Group:
        return Group(
            kind=kind,
            why=why,
            images=numbers,
            sharpness=list(sharpness) or [None] * len(numbers),
            taken=[self._images[number].taken for number in numbers],
            formats=[self._formats[number] for number in numbers],
        )

    def _rank(self, number: int) -> tuple[float, int, int]:
        """Return (score, number of pixels, number of bytes) of an image.

        The image with the largest of these tuples is the best image of its group.
        """
        image = self._images[number]
        return round(image.score or 0, 2), image.width * image.height, image.bytes

    def missing_thumbnails(self, folder: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """Return a (path, digest, file) for each image of the page whose thumbnail is not in
        `folder`.

        `path`: the file of the image. `file`: the path to which the thumbnail must be written.
        """
        names = set(os.listdir(folder))
        missing: dict[bytes, tuple[bytes, bytes, bytes]] = {}
        for digest, path in zip(self._digests, self._paths, strict=True):
            name = thumbnail(digest)
            if path and name not in names:
                missing.setdefault(digest, (path, digest, os.path.join(folder, name)))
        return list(missing.values())


def read_previous(file: bytes) -> Learned | None:
    """Return the part of an earlier report that the next one can use again.

    Return None if the file no longer exists, or if another version of imgscore wrote it.
    """
    try:
        return load_learned(Path(os.fsdecode(file)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write(data: ReportData, file: bytes) -> None:
    """Write the data into `file`. Raises ImgscoreError if that fails."""
    try:
        write_atomic(file, dump(data).encode(), mode=0o600, durable=False)
    except OSError as error:
        raise ImgscoreError(
            f"{os.fsdecode(file)}: cannot be written: {error.strerror}",
            "check the permissions of the folder and the free space on the disk",
        ) from None
