"""Store the answers about new files of an inbox of which the store contains nothing.

Nearly all files of a first scan are such files. No rule about moves, copies, edited files or labels
can concern them, so a few calls write their records. `ingest` stores all other files by these
rules. Both write the same records.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

from imgscore.engine.stage import Effects
from imgscore.store import failures, labels, originals, sightings
from imgscore.store.schema import Sighting, path_key
from imgscore.store.transaction import Txn
from imgscore.watches import Watches
from imgscore.workers.messages import FileIndexed, IndexFile

Answers = Sequence[tuple[IndexFile, FileIndexed]]


def store_new_files(
    txn: Txn, batch: Answers, watches: Watches, effects: Effects
) -> list[tuple[IndexFile, FileIndexed]]:
    """Write the sightings of the new files, and return the answers about the other files.

    The new files are added to `effects`.
    """
    new, rest = _split(txn, batch, watches)
    sightings.record_new(txn, new)
    failures.forget_all(txn, (sighting.path for sighting in new))
    for sighting in new:
        effects.new_files.setdefault(sighting.inbox, set()).add(sighting.path)
    return rest


def _split(
    txn: Txn, batch: Answers, watches: Watches
) -> tuple[list[Sighting], list[tuple[IndexFile, FileIndexed]]]:
    paths = Counter(task.path for task, _ in batch)
    digests = Counter(answer.digest for _, answer in batch)
    new: list[Sighting] = []
    rest: list[tuple[IndexFile, FileIndexed]] = []
    with ExitStack() as stack:
        is_seen, is_known, has_original, has_date = (
            stack.enter_context(txn.table(name).prefix_test())
            for name in ("sightings", "places", "originals", "dates")
        )
        for task, answer in batch:
            path, digest, place = task.path, answer.digest, watches.image_place(task.path)
            if (
                place is not None
                and place.role == "inbox"
                and not place.watch.ratings
                and answer.failure is None
                and paths[path] == digests[digest] == 1
                and not is_seen(path_key(path))
                and not is_known(digest)
                and not has_original(digest)
                and not has_date(originals.date_prefix(answer.seen.mtime_ns))
                and labels.current(txn, place.watch.taste, digest) is None
                and not any(map(is_seen, map(path_key, watches.former_paths(path, place))))
            ):
                inbox = place.watch.inbox
                new.append(Sighting(path, answer.seen, digest, inbox, "inbox"))
            else:
                rest.append((task, answer))
    return new, rest
