"""Touches after each training with the real head: 300 labels, 2,000 images, with and without ties.

It calls the functions of the workers (train, rescore, plan_inbox) on a store without files: the
dates are set in the store only.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.figures import Figure, Setting
from imgscore.embedders import lite0, lite0_spec
from imgscore.errors import ImageError
from imgscore.images.decode import decode
from imgscore.store import heads, labels, scores, settings, sightings, vectors
from imgscore.store.schema import DIGEST_SIZE, Fingerprint, LabelEvent, Sighting
from imgscore.store.store import Store
from imgscore.watches import Watch
from imgscore.workers import scoring, training
from imgscore.workers.context import Context
from imgscore.workers.messages import Rescore, Train
from imgscore.workers.plan_inbox import plan_inbox

TRAIN_EVERY = 10
"""labels between two trainings"""
MAX_LOSS = 0.005
"""target: the rank correlation that ties may cost"""
NOW_NS = time.time_ns()
KEEP_CATEGORIES = ("wallpapers", "animals", "food")
Vectors = npt.NDArray[np.float16]
TIES = Watch(b"/ties", (), (), "ties", "best-newest", siblings=False)
EXACT = Watch(b"/exact", (), (), "exact", "best-newest", siblings=False)


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure two tastes: by category, where the corpus has categories, and by the embeddings."""
    count, label_count = setting.choose(300, 2_000), setting.choose(60, 300)
    matrix, files = embed(setting.images(2 * count), count)
    tastes = {
        "categories, 5 % random": label_by_category(files),
        "a hidden direction": label_by_direction(matrix),
    }
    for taste, keep in tastes.items():
        if not 10 < sum(keep) < len(keep) - 10:
            continue
        folder = setting.scratch / taste.replace(" ", "-")
        folder.mkdir()
        ties, exact = run_session(matrix, keep, label_count, folder)
        yield Figure(
            f"dates changed a training, {label_count} labels on {len(matrix)} images ({taste})",
            f"{ties.touches:.0f}; {ties.later:.0f} in the second half",
            f"{exact.touches:.0f}; {exact.later:.0f}, without ties",
            ties.touches / exact.touches,
        )
        yield Figure(
            f"rank correlation that ties cost ({taste}): mean, maximum",
            f"{ties.loss:.4f}, {ties.max_loss:.4f}",
            f"{exact.loss:.4f}, without ties",
            None,
            f"≤ {MAX_LOSS}",
            ties.max_loss <= MAX_LOSS,
        )


def embed(files: list[Path], count: int) -> tuple[Vectors, list[Path]]:
    """Embed the first `count` files that can be decoded; returns their embeddings and paths."""
    embedder = lite0.load()
    rows: list[npt.NDArray[np.float16]] = []
    embedded: list[Path] = []
    for path in files:
        try:
            rows.append(embedder.embed([decode(path.read_bytes())])[0])
        except ImageError:
            continue
        embedded.append(path)
        if len(rows) == count:
            break
    return np.array(rows), embedded


def label_by_category(files: list[Path]) -> list[bool]:
    """True (keep) for some categories, with 5 % of the labels flipped."""
    chance = np.random.default_rng(6)
    return [
        any(name in path.parts for name in KEEP_CATEGORIES) != (chance.random() < 0.05)
        for path in files
    ]


def label_by_direction(matrix: Vectors) -> list[bool]:
    """True (keep) by a random direction among the 32 main ones, with noise."""
    chance = np.random.default_rng(6)
    centred = matrix.astype(np.float64) - matrix.mean(axis=0, dtype=np.float64)
    left = np.linalg.svd(centred, full_matrices=False)[0][:, :32]
    hidden = left @ chance.normal(size=left.shape[1])
    noisy = hidden / hidden.std() + chance.normal(scale=0.3, size=len(matrix))
    return [bool(keep) for keep in noisy > 0]


class Session(NamedTuple):
    """The results of one inbox."""

    touches: float
    """for each training: the mean after the first"""
    later: float
    """the mean of the second half"""
    loss: float
    """1 - rank correlation of dates and scores: the mean over all orders"""
    max_loss: float


def run_session(
    vectors_: Vectors, keep: list[bool], count: int, folder: Path
) -> tuple[Session, Session]:
    """Label TRAIN_EVERY images at a time, train, and order two inboxes: with and without ties."""
    digests = [n.to_bytes(DIGEST_SIZE, "big") for n in range(len(vectors_))]
    chance = random.Random(7)
    queue = chance.sample(range(len(digests)), count)
    touches: dict[Watch, list[int]] = {TIES: [], EXACT: []}
    losses: dict[Watch, list[float]] = {TIES: [], EXACT: []}
    with Store(folder / "store") as store:
        context = Context(folder / "store", folder / "heads", "efficientnet-lite0", "cpu")
        context._store = store  # one handle a process
        pairs = [(digest, row.tobytes()) for digest, row in zip(digests, vectors_, strict=True)]
        store.commit(lambda txn: vectors.append(txn, lite0_spec.ID, pairs))
        for n in range(len(digests)):
            date = NOW_NS - chance.randrange(1, 157_000_000) * 10**9
            for watch in (TIES, EXACT):
                _record_sighting(store, watch, n, date, digests[n])
        for start in range(0, count, TRAIN_EVERY):
            for n in queue[start : start + TRAIN_EVERY]:
                _record_label(store, n, digests[n], keep[n])
            record = training.train(context, Train("ties")).record
            store.commit(lambda txn, record=record: heads.record(txn, record))
            if record.accepted:
                _score(store, context, record.version)
                for watch in (TIES, EXACT):
                    touches[watch].append(_order(store, watch, record.version))
                    losses[watch].append(1 - _spearman(store, watch, record.version))
    results = [
        Session(
            float(np.mean(touches[watch][1:])),
            float(np.mean(touches[watch][len(touches[watch]) // 2 :])),
            float(np.mean(losses[watch])),
            max(losses[watch]),
        )
        for watch in (TIES, EXACT)
    ]
    return results[0], results[1]


def _record_sighting(store: Store, watch: Watch, n: int, date_ns: int, digest: bytes) -> None:
    path = watch.inbox + b"/%06d.jpg" % n
    seen = Fingerprint(len(watch.inbox), n, 1, 1, date_ns)
    sighting = Sighting(path, seen, digest, watch.inbox, "inbox")
    store.commit(lambda txn: sightings.record(txn, sighting))


def _record_label(store: Store, n: int, digest: bytes, keep: bool) -> None:
    """Record a label and remove the image from both inboxes."""
    event = LabelEvent(NOW_NS, "ties", digest, "keep" if keep else "trash", "cli", b"%d" % n)
    with store.write() as txn:
        labels.append(txn, event)
        for sighting in sightings.of_digest(txn, digest):
            sightings.forget(txn, sighting)


def _score(store: Store, context: Context, head: str) -> None:
    """Record the head's scores for one inbox, and for the other the same with a noise of zero."""
    for part in list(scoring.rescore(context, Rescore("ties", head))):
        step = DIGEST_SIZE + 8
        exact = b"".join(
            part.scores[at : at + DIGEST_SIZE + 4] + bytes(4)
            for at in range(0, len(part.scores), step)
        )
        with store.write() as txn:
            scores.record(txn, "ties", head, part.scores)
            scores.record(txn, "exact", head, exact)


def _order(store: Store, watch: Watch, head: str) -> int:
    planned = plan_inbox(store, watch, head)
    with store.write() as txn:
        settings.record_ties(txn, watch.inbox, planned.ties)
        for touch in planned.touches:
            before = touch.sighting
            seen = Fingerprint(before.seen.dev, before.seen.ino, 1, 1, touch.after_ns)
            sightings.record(
                txn, Sighting(before.path, seen, before.digest, before.inbox, before.role)
            )
    return len(planned.touches)


def _spearman(store: Store, watch: Watch, head: str) -> float:
    """Spearman's correlation of dates and scores; equal scores share their mean rank."""
    with store.read() as txn:
        files = [file for file in sightings.iter_all(txn) if file.inbox == watch.inbox]
        pairs = [scores.get(txn, watch.taste, head, file.digest) for file in files]
    dates = np.array([file.seen.mtime_ns for file in files], np.float64)
    values = np.array([pair[0] for pair in pairs if pair is not None])
    return float(np.corrcoef(_ranks(dates), _ranks(values))[0, 1])


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks
