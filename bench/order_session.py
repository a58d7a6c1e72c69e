"""Touches a retrain with the real head: 300 labels on 2,000 real images, with ties and without.

It runs what the daemon runs (learning.train, learning.rescore, plan_inbox) on a store of its
own; only the files are not there, and dates are set in the store alone.
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
from imgscore.workers import training
from imgscore.workers.context import Context
from imgscore.workers.messages import Rescore, Train
from imgscore.workers.plan_inbox import plan_inbox

EVERY = 10
MAX_LOST = 0.005
NOW = time.time_ns()
LIKED = ("wallpapers", "animals", "food")
Vectors = npt.NDArray[np.float16]
TIES = Watch(b"/ties", (), (), "ties", "best-newest", siblings=False)
EXACT = Watch(b"/exact", (), (), "exact", "best-newest", siblings=False)


def measure(setting: Setting) -> Iterator[Figure]:
    """Two tastes: some kinds of picture with whims, where the corpus has them; a hidden one."""
    count, labels_ = setting.either(300, 2_000), setting.either(60, 300)
    matrix, files = embed(setting.images(2 * count), count)
    tastes = {
        "some kinds, 5 % whims": likes_kinds(files),
        "a hidden direction": likes_hidden(matrix),
    }
    for taste, liked in tastes.items():
        if not 10 < sum(liked) < len(liked) - 10:
            continue
        folder = setting.scratch / taste.replace(" ", "-")
        folder.mkdir()
        ties, exact = session(matrix, liked, labels_, folder)
        yield Figure(
            f"dates changed a retrain, {labels_} labels on {len(matrix)} images ({taste})",
            f"{ties.touches:.0f}; {ties.later:.0f} in the second half",
            f"{exact.touches:.0f}; {exact.later:.0f}, without ties",
            ties.touches / exact.touches,
        )
        yield Figure(
            f"rank correlation that ties cost ({taste}): mean, most",
            f"{ties.lost:.4f}, {ties.most_lost:.4f}",
            f"{exact.lost:.4f}, without ties",
            None,
            f"≤ {MAX_LOST}",
            ties.most_lost <= MAX_LOST,
        )


def embed(files: list[Path], most: int) -> tuple[Vectors, list[Path]]:
    """Embeddings of at most so many files, those that cannot be decoded left out."""
    embedder = lite0.load()
    rows: list[npt.NDArray[np.float16]] = []
    done: list[Path] = []
    for path in files:
        try:
            rows.append(embedder.embed([decode(path.read_bytes())])[0])
        except ImageError:
            continue
        done.append(path)
        if len(rows) == most:
            break
    return np.array(rows), done


def likes_kinds(files: list[Path]) -> list[bool]:
    """What a person would keep who likes some kinds of picture, and has whims."""
    chance = np.random.default_rng(6)
    return [any(one in path.parts for one in LIKED) != (chance.random() < 0.05) for path in files]


def likes_hidden(matrix: Vectors) -> list[bool]:
    """What a person would keep whose taste is a direction among the main ones, and noise."""
    chance = np.random.default_rng(6)
    centred = matrix.astype(np.float64) - matrix.mean(axis=0, dtype=np.float64)
    left = np.linalg.svd(centred, full_matrices=False)[0][:, :32]
    hidden = left @ chance.normal(size=left.shape[1])
    noisy = hidden / hidden.std() + chance.normal(scale=0.3, size=len(matrix))
    return [bool(one) for one in noisy > 0]


class Session(NamedTuple):
    """Touches a retrain (mean after the first; mean of the second half), correlation lost."""

    touches: float
    later: float
    lost: float
    most_lost: float


def session(
    vectors_: Vectors, liked: list[bool], count: int, folder: Path
) -> tuple[Session, Session]:
    """Label EVERY images at a time, retrain, order both inboxes: with ties, and without."""
    digests = [n.to_bytes(DIGEST_SIZE, "big") for n in range(len(vectors_))]
    chance = random.Random(7)
    queue = chance.sample(range(len(digests)), count)
    touches: dict[Watch, list[int]] = {TIES: [], EXACT: []}
    lost: dict[Watch, list[float]] = {TIES: [], EXACT: []}
    with Store(folder / "store") as store:
        context = Context(folder / "store", folder / "heads", "efficientnet-lite0", "cpu")
        context._store = store  # one handle a process
        pairs = [(one, row.tobytes()) for one, row in zip(digests, vectors_, strict=True)]
        store.commit(lambda txn: vectors.append(txn, lite0_spec.ID, pairs))
        for n in range(len(digests)):
            date = NOW - chance.randrange(1, 157_000_000) * 10**9
            for watch in (TIES, EXACT):
                _see(store, watch, n, date, digests[n])
        for start in range(0, count, EVERY):
            for n in queue[start : start + EVERY]:
                _label(store, n, digests[n], liked[n])
            record = training.train(context, Train("ties")).record
            store.commit(lambda txn, record=record: heads.record(txn, record))
            if record.accepted:
                _score(store, context, record.version)
                for watch in (TIES, EXACT):
                    touches[watch].append(_order(store, watch, record.version))
                    lost[watch].append(1 - _spearman(store, watch, record.version))
    done = [
        Session(
            float(np.mean(touches[watch][1:])),
            float(np.mean(touches[watch][len(touches[watch]) // 2 :])),
            float(np.mean(lost[watch])),
            max(lost[watch]),
        )
        for watch in (TIES, EXACT)
    ]
    return done[0], done[1]


def _see(store: Store, watch: Watch, n: int, date_ns: int, digest: bytes) -> None:
    path = watch.inbox + b"/%06d.jpg" % n
    seen = Fingerprint(len(watch.inbox), n, 1, 1, date_ns)
    sighting = Sighting(path, seen, digest, watch.inbox, "inbox")
    store.commit(lambda txn: sightings.record(txn, sighting))


def _label(store: Store, n: int, digest: bytes, keep: bool) -> None:
    """What is labelled leaves the inbox."""
    event = LabelEvent(NOW, "ties", digest, "keep" if keep else "trash", "cli", b"%d" % n)
    with store.write() as txn:
        labels.append(txn, event)
        for sighting in sightings.of_digest(txn, digest):
            sightings.forget(txn, sighting)


def _score(store: Store, context: Context, head: str) -> None:
    """The head's scores for one inbox, and the same without their noise for the other."""
    for part in list(training.rescore(context, Rescore("ties", head))):
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
        for one in planned.touches:
            before = one.sighting
            seen = Fingerprint(before.seen.dev, before.seen.ino, 1, 1, one.after_ns)
            sightings.record(
                txn, Sighting(before.path, seen, before.digest, before.inbox, before.role)
            )
    return len(planned.touches)


def _spearman(store: Store, watch: Watch, head: str) -> float:
    """Spearman's correlation of dates and scores; equal scores share their mean rank."""
    with store.read() as txn:
        seen = [one for one in sightings.iter_all(txn) if one.inbox == watch.inbox]
        pairs = [scores.get(txn, watch.taste, head, one.digest) for one in seen]
    return float(
        np.corrcoef(
            _ranks(np.array([one.seen.mtime_ns for one in seen], np.float64)),
            _ranks(np.array([one[0] for one in pairs if one is not None])),
        )[0, 1]
    )


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks
