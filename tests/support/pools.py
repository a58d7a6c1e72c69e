"""Worker processes with an empty store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgscore.embedders import lite0_spec
from imgscore.store.store import Store
from imgscore.workers.pool import Pool, WorkerSettings


@contextmanager
def real_pool(
    folder: Path, size: int, *, file_seconds: int, idle_seconds: float, large_workers: int = 1
) -> Iterator[Pool]:
    """A pool of at most `size` workers; store and heads are in `folder`."""
    with Store(folder / "store") as store:
        settings = WorkerSettings(
            store.folder,
            folder / "heads",
            "efficientnet-lite0",
            "cpu",
            file_seconds=file_seconds,
            dim=lite0_spec.DIM,
            large_workers=large_workers,
        )
        with Pool(settings, size, idle_seconds=idle_seconds) as pool:
            yield pool
