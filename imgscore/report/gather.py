"""Gather the data of a report from the store, and write the data into one JSON file.

This module runs in a worker, so the daemon needs no memory for the data.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imgscore.errors import ImgscoreError
from imgscore.fsutil import write_atomic
from imgscore.heads.evaluate import evaluate
from imgscore.heads.recipes import AUTO, recipe
from imgscore.heads.results import Evaluation, comparison_of, pairs_of, quality_of
from imgscore.heads.suspects import contradicting, suspects
from imgscore.paths import thumbnail
from imgscore.report.data import (
    Failure,
    Head,
    Learned,
    Measured,
    Neighbour,
    ReportData,
    Suspect,
    TrainedHead,
    dump,
    load_learned,
)
from imgscore.report.image_columns import ImageColumns
from imgscore.report.page_groups import PageGroups
from imgscore.store import (
    comparisons,
    failures,
    groups,
    heads,
    labels,
    similarity,
)
from imgscore.store.examples import Labelled, examples_of
from imgscore.store.image_paths import present_path
from imgscore.watches import within

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.heads.base import Fitted
    from imgscore.store.transaction import Txn

NEIGHBOURS = 4
"""The largest number of images that are shown beside a suspect. One line of the page has room for
this number."""


class Gatherer:
    """Gathers the data of a report about one taste, in one transaction of the store."""

    def __init__(
        self, txn: Txn, spec: Spec, taste: str, inboxes: set[bytes], folder: bytes | None
    ) -> None:
        self._txn = txn
        self._spec = spec
        self._taste = taste
        self._head = heads.current(txn, taste)
        self._inboxes = inboxes
        self._folder = folder
        self._labels = dict(labels.iter_all(txn, taste))
        self._failures = [
            failure for failure in failures.iter_all(txn) if self._includes(failure.path)
        ]
        failed = {failure.path for failure in self._failures}
        self._images = ImageColumns(
            txn, inboxes, lambda path: self._includes(path) and path not in failed
        )

    def _includes(self, path: bytes) -> bool:
        return self._folder is None or within(path, self._folder)

    def _number(self, digest: bytes) -> int:
        """Return the number of a labelled image.

        Add the image first if it is not on the page yet.
        """
        return self._images.number_of(
            digest, lambda: present_path(self._txn, self._taste, self._inboxes, digest)
        )

    def gather(
        self,
        previous: Learned | None,
        *,
        max_suspects: int,
        figures: bool,
        with_groups: bool = True,
        stop: Callable[[], bool],
    ) -> ReportData:
        """Gather all data of the report.

        `previous`: a part of an earlier report, or None. The evaluation in `previous` is used
        again if the embedder and the labels have not changed since that report. `max_suspects`: the
        largest number of suspect labels; 0 looks for none, which saves seconds. `figures`: whether
        to measure the learning curve. `with_groups`: false only counts the groups, which saves a
        second in a library of 100,000 similar images. `stop`: a function that returns whether to
        end the measurement early.
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
        shown = self._images.read(
            self._txn, self._taste, self._head.version if self._head else "", self._labels
        )
        page_groups = PageGroups(self._txn, self._images, shown)
        found = page_groups.ranked() if with_groups else None
        return ReportData(
            taste=self._taste,
            folder=None if self._folder is None else os.fsdecode(self._folder),
            head=self._current_head(),
            embedder=self._spec.id,
            images=shown.images,
            folders=shown.folders,
            places=shown.places,
            suspects=suspect_labels,
            groups=found,
            group_count=page_groups.count() if found is None else len(found),
            answers=comparisons.count(self._txn, self._taste),
            labels=len(self._labels),
            uncompared=self._uncompared(),
            cameras=shown.cameras,
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

    def _uncompared(self) -> int:
        """Return the number of images that are not compared with the others yet."""
        if self._images.present < groups.MIN_MEMBERS:
            return 0
        index = similarity.state(self._txn)
        if index is None or index.embedder != self._spec.image_embedder:
            return self._images.present
        return similarity.queue_length(self._txn)

    def missing_thumbnails(self, folder: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """Return a (path, digest, file) for each image of the page whose thumbnail is not in
        `folder`.

        `path`: the file of the image. `file`: the path to which the thumbnail must be written.
        """
        names = set(os.listdir(folder))
        missing: dict[bytes, tuple[bytes, bytes, bytes]] = {}
        for digest, path in zip(self._images.digests, self._images.paths, strict=True):
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
