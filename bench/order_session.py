"""Touches a retrain with the real head: 300 labels on 2,000 real images, with ties and without.

`python -m bench.order_session CORPUS [CACHE.npz]`: CORPUS as for bench.real_input. It runs what the
daemon runs (learning.train, learning.rescore, arrange.intended) on a store of its own; only the
files are not there, and dates are set in the store alone. Embeddings are kept in CACHE.npz.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imgscore.embedders import lite0, lite0_spec
from imgscore.engine.arrange import intended
from imgscore.errors import ImageError
from imgscore.images.decode import decode
from imgscore.images.formats import is_image_name
from imgscore.store import labels, records, sightings, vectors
from imgscore.store.schema import DIGEST_SIZE, Fingerprint, LabelEvent, Sighting
from imgscore.store.store import Store
from imgscore.watches import Watch
from imgscore.work import learning
from imgscore.work.tasks import Rescore, Train
from imgscore.work.worker import Context

COUNT, LABELS, EVERY = 2_000, 300, 10
NOW = time.time_ns()
LIKED = ("wallpapers", "clipart/animals", "clipart/food")
Vectors = npt.NDArray[np.float16]
TIES = Watch(b"/ties", (), (), "ties", "best-newest", siblings=False)
EXACT = Watch(b"/exact", (), (), "exact", "best-newest", siblings=False)


def embed(corpus: Path, cache: Path | None) -> tuple[Vectors, list[str]]:
    """Embeddings of COUNT images, spread over the kinds of the corpus, and their names."""
    if cache is not None and cache.exists():
        stored = np.load(cache)
        return stored["vectors"], stored["names"].tolist()
    kinds = (*LIKED, "screenshots", "clipart/shapes", "clipart/computer", "clipart/office")
    chance = random.Random(5)
    found: list[Path] = []
    for kind in kinds:
        files = sorted(p for p in (corpus / kind).rglob("*") if is_image_name(bytes(Path(p.name))))
        found += chance.sample(files, min(len(files), 1 + COUNT // len(kinds) * 5 // 4))
    chance.shuffle(found)
    embedder = lite0.load()
    rows, names = [], []
    for path in found:
        try:
            rows.append(embedder.embed([decode(path.read_bytes())])[0])
        except ImageError:
            continue
        names.append(path.relative_to(corpus).as_posix())
        if len(rows) == COUNT:
            break
    if cache is not None:
        np.savez(cache, vectors=np.array(rows), names=np.array(names))
    return np.array(rows), names


def likes(vectors_: Vectors, names: list[str], kind: str) -> list[bool]:
    """What a person would keep: three kinds of picture with 5 % whims, or a hidden direction."""
    chance = np.random.default_rng(6)
    if kind == "kinds":
        return [name.startswith(LIKED) != (chance.random() < 0.05) for name in names]
    centred = vectors_.astype(np.float64) - vectors_.mean(axis=0, dtype=np.float64)
    left = np.linalg.svd(centred, full_matrices=False)[0][:, :32]
    hidden = left @ chance.normal(size=32)
    noisy = hidden / hidden.std() + chance.normal(scale=0.3, size=len(names))
    return [bool(one) for one in noisy > 0]


def session(vectors_: Vectors, liked: list[bool], folder: Path) -> dict[str, float]:
    """Label EVERY images at a time, retrain, order both inboxes; touches and correlation lost."""
    digests = [n.to_bytes(DIGEST_SIZE, "big") for n in range(len(vectors_))]
    chance = random.Random(7)
    queue = chance.sample(range(len(digests)), LABELS)
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
        for start in range(0, LABELS, EVERY):
            for n in queue[start : start + EVERY]:
                _label(store, n, digests[n], liked[n])
            record = learning.train(context, Train("ties")).record
            store.commit(lambda txn, record=record: records.record_head(txn, record))
            if record.accepted:
                _score(store, context, record.version)
                for watch in (TIES, EXACT):
                    touches[watch].append(_order(store, watch, record.version))
                    lost[watch].append(1 - _spearman(store, watch, record.version))
    figures = {"heads used": float(len(touches[TIES]))}
    for name, watch in (("exact scores", EXACT), ("ties", TIES)):
        half = len(touches[watch]) // 2
        figures |= {
            f"{name}: touches a retrain, mean": float(np.mean(touches[watch][1:])),
            f"{name}: touches a retrain, second half": float(np.mean(touches[watch][half:])),
            f"{name}: rank correlation lost, mean": float(np.mean(lost[watch])),
            f"{name}: rank correlation lost, most": max(lost[watch]),
        }
    return figures


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
    for part in list(learning.rescore(context, Rescore("ties", head))):
        step = DIGEST_SIZE + 8
        exact = b"".join(
            part.scores[at : at + DIGEST_SIZE + 4] + bytes(4)
            for at in range(0, len(part.scores), step)
        )
        with store.write() as txn:
            records.record_scores(txn, "ties", head, part.scores)
            records.record_scores(txn, "exact", head, exact)


def _order(store: Store, watch: Watch, head: str) -> int:
    wanted = intended(store, watch, head)
    with store.write() as txn:
        for one in wanted:
            before = one.sighting
            seen = Fingerprint(before.seen.dev, before.seen.ino, 1, 1, one.after_ns)
            sightings.record(
                txn, Sighting(before.path, seen, before.digest, before.inbox, before.role)
            )
    return len(wanted)


def _spearman(store: Store, watch: Watch, head: str) -> float:
    """Spearman's correlation of dates and scores; equal scores share their mean rank."""
    with store.read() as txn:
        seen = [one for one in sightings.every(txn) if one.inbox == watch.inbox]
        scores = [records.score(txn, watch.taste, head, one.digest) for one in seen]
    return float(
        np.corrcoef(
            _ranks(np.array([one.seen.mtime_ns for one in seen], np.float64)),
            _ranks(np.array([one[0] for one in scores if one is not None])),
        )[0, 1]
    )


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def main() -> None:
    """Measure both tastes and print one line a figure."""
    cache = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    matrix, names = embed(Path(sys.argv[1]), cache)
    for kind in ("kinds", "hidden"):
        with tempfile.TemporaryDirectory() as folder:
            figures = session(matrix, likes(matrix, names, kind), Path(folder))
        for name, value in figures.items():
            print(f"{value:12.4f}  {kind}: {name}", flush=True)


if __name__ == "__main__":
    main()
