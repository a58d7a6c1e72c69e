"""A worker whose store has labels and a head."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.context import Context
from imgscore.workers.messages import Train
from imgscore.workers.training import train


@contextmanager
def trained_context(folder: Path, fill: Callable[[Txn], None]) -> Iterator[Context]:
    """Return the context of a worker, with a head. `fill` writes the images and their labels."""
    with Store(folder / "store") as store:
        store.commit(fill)
    context = Context(folder / "store", folder / "heads", "efficientnet-lite0", "cpu")
    train(context, Train("default"))
    yield context
    context.store.close()
