"""All that the page of `report` and `review` shows, written as one JSON file.

It is made here, in a worker, so that a daemon never holds it. Which thumbnails are wanted is what
is answered; the rest of the answer is counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from imgscore.errors import ImgscoreError
from imgscore.fsutil import write_atomic
from imgscore.heads.evaluate import evaluate
from imgscore.heads.groups import DUPLICATE_COSINE, near_duplicates
from imgscore.heads.library import fit_features
from imgscore.heads.recipes import AUTO, recipe
from imgscore.heads.suspects import suspects
from imgscore.paths import thumbnail
from imgscore.report import Row
from imgscore.store import failures, heads, labels, scores, sightings, traits
from imgscore.store.examples import BACKGROUND, Labelled, examples_of, rows_of, sample
from imgscore.watches import within

if TYPE_CHECKING:
    from imgscore.embedders.registry import Spec
    from imgscore.heads.arrays import Floats
    from imgscore.heads.base import Fitted
    from imgscore.heads.features import Features
    from imgscore.store.schema import Sighting
    from imgscore.store.transaction import Txn

COLUMNS = (
    "name", "folder", "sha256", "score", "deviation", "label", "place", "width", "height", "bytes",
)  # fmt: skip
NEIGHBOURS = 4
MAX_COMPARED = 20_000
"""Images among which near-duplicates are sought: their vectors take 100 MB."""


class Page:
    """One taste's images, in one transaction. `number` is an image's place in `images`."""

    def __init__(
        self, txn: Txn, spec: Spec, taste: str, inboxes: set[bytes], folder: bytes | None
    ) -> None:
        self._spec = spec
        self._txn = txn
        self._taste = taste
        self._head = heads.current(txn, taste)
        self._folder = folder
        self._folders: dict[bytes, int] = {}
        self._images: list[list[Any]] = []
        self._digests: list[bytes] = []
        self._paths: list[bytes | None] = []
        self._numbers: dict[bytes, int] = {}
        self._labels = {digest: one.label for digest, one in labels.iter_all(txn, taste)}
        self._failures = list(failures.iter_all(txn))
        failed = {one.path for one in self._failures}
        for sighting in sightings.iter_all(txn):
            path = sighting.path
            if sighting.inbox in inboxes and self._is_shown(path) and path not in failed:
                self._add(sighting.digest, path, sighting)
        self._present = len(self._images)

    def _is_shown(self, path: bytes) -> bool:
        return self._folder is None or within(path, self._folder)

    def _add(self, digest: bytes, path: bytes | None, sighting: Sighting | None) -> int:
        """Add an image; one without a sighting is an example that lies elsewhere, or is gone."""
        folder, name = os.path.split(path or b"")
        image_traits = traits.get(self._txn, digest)
        head = self._head.version if self._head else ""
        score = scores.get(self._txn, self._taste, head, digest)
        self._images.append(
            [
                os.fsdecode(name),
                self._folders.setdefault(folder, len(self._folders)),
                digest.hex(),
                round(score[0], 4) if score else None,
                round(score[1], 4) if score else None,
                self._labels.get(digest),
                sighting.role if sighting else "elsewhere",
                image_traits.width if image_traits else 0,
                image_traits.height if image_traits else 0,
                sighting.seen.size if sighting else 0,
            ]
        )
        self._digests.append(digest)
        self._paths.append(path)
        number = len(self._images) - 1
        self._numbers.setdefault(digest, number)
        return number

    def _number(self, digest: bytes) -> int:
        """The place of a labelled image, which may be nowhere on the page yet."""
        found = self._numbers.get(digest)
        if found is not None:
            return found
        label = labels.current(self._txn, self._taste, digest)
        seen = [one.path for one in sightings.of_digest(self._txn, digest) if not one.gone_ns]
        path = min(seen) if seen else label.path if label else None
        return self._add(digest, path, None)

    def data(
        self, before: Row, *, most_suspects: int, figures: bool, enough: Callable[[], bool]
    ) -> Row:
        """Everything on the page. What was measured `before` of the same labels still holds."""
        try:
            labelled: Labelled | None = examples_of(self._txn, self._spec, self._taste)
            unlearned = ""
        except ImgscoreError as error:
            labelled, unlearned = None, f"{error.message}: {error.remedy}"
        # Before the images are listed: what contradicts a suspect may lie outside of the watches.
        fitted = recipe(AUTO).fit(labelled.examples) if labelled else None
        doubted = self._suspects(labelled, fitted, most_suspects) if labelled and fitted else []
        learned_of = [self._spec.id, labels.last_sequence(self._txn)]
        evaluation = before["evaluation"] if before.get("learned_of") == learned_of else None
        if evaluation is not None and not evaluation["curve"]:
            evaluation = None
        if figures and labelled and (evaluation is None or evaluation.get("left_out")):
            evaluation = msgspec.to_builtins(
                evaluate(labelled.examples, fitted=fitted, stop=enough)
            )
        evaluation = evaluation or self._as_trained()
        return {
            "taste": self._taste,
            "folder": None if self._folder is None else os.fsdecode(self._folder),
            "head": self._head_row(),
            "embedder": self._spec.id,
            "columns": COLUMNS,
            "images": self._images,
            "folders": [os.fsdecode(folder) for folder in self._folders],
            "suspects": doubted,
            "groups": self._groups(labelled.features if labelled else None),
            "compared": min(self._present, MAX_COMPARED),
            "failures": [
                {"path": os.fsdecode(one.path), "reason": one.reason, "remedy": one.remedy}
                for one in self._failures
                if self._is_shown(one.path)
            ],
            "evaluation": evaluation,
            "learned_of": learned_of,
            "unlearned": unlearned,
            "heads": self._heads(),
        }

    def _as_trained(self) -> Row | None:
        """What was measured when the head in use was trained: as `evaluate`, but for the curve."""
        quality = self._head.report.get("quality") if self._head else None
        return {"quality": quality, "curve": [], "doubled": None} if quality else None

    def _head_row(self) -> Row | None:
        head = self._head
        if head is None:
            return None
        return {"version": head.version, "created_ns": head.created_ns, "labels": head.labels}

    def _heads(self) -> list[Row]:
        in_use = self._head.version if self._head else None
        return [
            {
                "head": one.version,
                "in_use": one.version == in_use,
                "accepted": one.accepted,
                "labels": one.labels,
                "created_ns": one.created_ns,
                "report": one.report,
            }
            for one in heads.of_taste(self._txn, self._taste)
        ]

    def _suspects(self, labelled: Labelled, fitted: Fitted, most: int) -> list[Row]:
        """Suspects, each with the labelled images of the other kind that are most like it."""
        examples = labelled.examples
        rows = labelled.features(examples.embeddings)
        found = []
        for one in suspects(examples, fitted, most):
            cosine = rows @ rows[one.row]
            cosine[examples.keep == examples.keep[one.row]] = -np.inf
            nearest = np.argsort(-cosine, kind="stable")[:NEIGHBOURS]
            found.append(
                {
                    "image": self._number(labelled.digests[one.row]),
                    "label": labelled.labels[one.row].label,
                    "score": round(one.score, 4),
                    "neighbours": [
                        {
                            "image": self._number(labelled.digests[row]),
                            "similarity": round(float(cosine[row]), 4),
                        }
                        for row in nearest.tolist()
                        if np.isfinite(cosine[row])
                    ],
                }
            )
        return found

    def _groups(self, features: Features | None) -> list[list[int]]:
        """Near-duplicates: the best group first, and in each group the best image."""
        numbers = sorted(range(self._present), key=lambda one: -(self._images[one][3] or 0))
        numbers = sorted(numbers[:MAX_COMPARED])
        wanted = {self._digests[number] for number in numbers}
        digests, matrix = rows_of(self._txn, self._spec, wanted)
        if not digests:
            return []
        if features is None:
            _, background = sample(self._txn, self._spec, BACKGROUND)
            features = fit_features(background, self._spec.sections)
        chains = near_duplicates(matrix, features).tolist()
        rows, row_of = features(matrix), {digest: row for row, digest in enumerate(digests)}
        chain_of: dict[int, list[int]] = {}
        for number in numbers:
            row = row_of.get(self._digests[number])
            if row is not None:
                chain_of.setdefault(chains[row], []).append(number)
        groups = [
            group
            for chain in chain_of.values()
            if len(chain) > 1
            for group in self._about_the_best(
                chain, rows[[row_of[self._digests[n]] for n in chain]]
            )
            if any(self._images[one][6] == "inbox" for one in group)
        ]
        return sorted(groups, key=lambda group: self._worth(group[0]), reverse=True)

    def _about_the_best(self, chain: list[int], rows: Floats) -> Iterator[list[int]]:
        """The images of a chain that are alike, in pairs with their best, and not only by links."""
        left = sorted(range(len(chain)), key=lambda one: self._worth(chain[one]), reverse=True)
        while len(left) > 1:
            alike = rows[left] @ rows[left[0]] >= DUPLICATE_COSINE
            alike[0] = True
            if alike.sum() > 1:
                yield [chain[one] for one, near in zip(left, alike, strict=True) if near]
            left = [one for one, near in zip(left, alike, strict=True) if not near]

    def _worth(self, number: int) -> tuple[float, int, int]:
        """What makes one of several near-duplicates the best: its score, then pixels and bytes."""
        image = dict(zip(COLUMNS, self._images[number], strict=True))
        return round(image["score"] or 0, 2), image["width"] * image["height"], image["bytes"]

    def missing_thumbnails(self, folder: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """(path, digest, file) of each thumbnail that `folder` lacks."""
        names = set(os.listdir(folder))
        missing: dict[bytes, tuple[bytes, bytes, bytes]] = {}
        for digest, path in zip(self._digests, self._paths, strict=True):
            name = thumbnail(digest)
            if path and name not in names:
                missing.setdefault(digest, (path, digest, os.path.join(folder, name)))
        return list(missing.values())


def read_previous(file: bytes) -> Row:
    """What this file held, if anything: the cache may be emptied at any time."""
    try:
        with open(file, encoding="ascii") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write(data: Row, file: bytes) -> None:
    try:
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
        write_atomic(file, text.encode("ascii"), mode=0o600, durable=False)
    except OSError as error:
        raise ImgscoreError(
            f"{os.fsdecode(file)}: cannot be written: {error.strerror}",
            "check the folder's permissions and the space on its disk",
        ) from None
