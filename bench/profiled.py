"""`python -m bench.profiled retrain|drop`: work in one process, to be sampled by py-spy.

    py-spy record --function -r 50 --format raw -o STACKS -- python -m bench.profiled retrain
    python tools/flame.py STACKS bench/flame-retrain.svg --keep measured --title TEXT

The daemon and its workers do the same work in several processes. `drop` decodes, embeds and places
new files one by one, as one dropped file does.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from bench.retrain import MODEL, add_traits, prepare
from bench.sandbox import new_sandbox

FILES, LABELS, DROPS = 40_000, 300, 40


def _retrain(folder: Path) -> None:
    from imgscore.engine.apply import apply_plan
    from imgscore.store import labels, scores, sightings
    from imgscore.store.schema import LabelEvent, LabelName
    from imgscore.store.store import Store
    from imgscore.watches import Watch
    from imgscore.workers import cached_rows, scoring
    from imgscore.workers.context import Context
    from imgscore.workers.messages import Rescore, Train
    from imgscore.workers.order_planner import OrderPlanner
    from imgscore.workers.training import train

    sandbox = new_sandbox(folder / "sandbox")
    keep = prepare(sandbox, FILES)
    add_traits(sandbox)
    inbox = os.fsencode(sandbox.inbox)
    context = Context(sandbox.store_folder, folder / "heads", MODEL, "cpu")

    with Store(sandbox.store_folder) as store:
        with store.read() as txn:
            files = list(sightings.iter_all(txn))
        for number, file in enumerate(files[:LABELS]):
            name: LabelName = "keep" if keep[file.path.decode()] else "trash"
            event = LabelEvent(number + 1, "default", file.digest, name, "cli", file.path)
            store.commit(lambda txn, event=event: labels.append(txn, event))  # type: ignore[misc]

    # With further threads, their samples would not belong to the caller.
    scoring.in_threads = cached_rows.in_threads = lambda work, items, _: map(work, items)
    # The library and the rows are in the cache then, as in most trainings.
    train(context, Train("default"))
    task = Rescore("default", "1", inboxes=[inbox])
    for _ in scoring.rescore(context, task):
        pass

    def measured() -> None:
        train(context, Train("default"))
        packed = b"".join(part.scores for part in scoring.rescore(context, task))
        context.store.close()
        with Store(sandbox.store_folder) as store:
            store.commit(lambda txn: scores.record(txn, "default", "1", packed))
            watch = Watch(inbox, (), (), "default", "best-newest")
            with OrderPlanner(store) as planner:
                touches = list(planner.plan(watch, "1").touches())
            for _ in apply_plan(store, touches, "1"):
                pass

    measured()


def _drop(folder: Path) -> None:
    from bench import probes

    chosen = [
        probe
        for make in (probes._pixels, lambda: probes._inbox(folder / "planned"))
        for probe in make()
        if probe.name in ("decode small PNGs", "embed", "place 50 new files")
    ]

    def measured() -> None:
        until = time.monotonic() + DROPS
        while time.monotonic() < until:
            for probe in chosen:
                probe.seconds()

    measured()


def main() -> None:
    """Do the work that the first argument names."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        {"retrain": _retrain, "drop": _drop}[sys.argv[1]](Path(folder))


if __name__ == "__main__":
    main()
