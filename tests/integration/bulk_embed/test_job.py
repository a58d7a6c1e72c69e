"""The code on a Dask worker, with a real scheduler in this process and real worker processes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.embedders import lite0_spec
from imgscore.testing import eventually
from imgscore.workers.frames import take_answers
from imgscore.workers.messages import FileIndexed
from tests.conftest import put

pytest.importorskip("distributed", reason="pip install distributed")

from distributed import Client, Future, LocalCluster, as_completed

from imgscore.bulk_embed import job as worker_side
from imgscore.bulk_embed.job import Job

SECONDS = 60.0
WORKERS = 2


@pytest.fixture
def client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=WORKERS,
            processes=False,
            memory_limit=0,
            dashboard_address=None,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
        worker_side.close_idle_pools()


def test_embed_parts_of_a_stopped_worker_let_later_parts_run(
    client: Client, tmp_path: Path
) -> None:
    """As many parts as there are threads wait for one worker process, as for a huge image."""
    files = [os.fsencode(path) for path in put(tmp_path, "sun", 10)]
    job = Job(os.fsencode(tmp_path), "efficientnet-lite0", "cpu", lite0_spec.ID, 60)

    def submit(*paths: bytes) -> Future:
        return client.submit(worker_side.embed, job, list(paths), pure=False)

    submit(*files[:WORKERS]).result(SECONDS)  # all worker processes run now
    (shared,) = worker_side._pools.values()
    pids = shared._pool.pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        parts = [submit(*files[start : start + WORKERS]) for start in (0, WORKERS)]
        eventually(lambda: [len(shared._pool.tasks(pid)) for pid in pids] == [WORKERS] * WORKERS)
        later = [submit(path) for path in files[2 * WORKERS :]]
        os.kill(pids[1], signal.SIGCONT)
        done = next(iter(as_completed(later, loop=client.loop, timeout=SECONDS)))
        (answer,) = take_answers(bytearray(done.result()))
        assert isinstance(answer, FileIndexed)
        assert not any(part.done() for part in parts)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    for part in (*parts, *later):
        assert isinstance(part.result(SECONDS), bytes)
