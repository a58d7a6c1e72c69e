import pytest

pytest.importorskip("distributed", reason="pip install distributed")

from imgscore.bulk_embed.job import large_workers
from imgscore.workers.process import MAX_BYTES


def test_large_workers_use_at_most_half_of_the_memory() -> None:
    assert large_workers(8 * MAX_BYTES, 1.0) == 4
    assert large_workers(8 * MAX_BYTES - 1, 1.0) == 3


def test_large_workers_of_little_memory_is_one() -> None:
    assert large_workers(MAX_BYTES // 4, 1.0) == 1


def test_large_workers_of_a_quarter_of_the_cpus_use_a_quarter_of_the_memory() -> None:
    assert large_workers(16 * MAX_BYTES, 0.25) == 2


def test_large_workers_of_more_threads_than_cpus_use_no_more_memory() -> None:
    assert large_workers(8 * MAX_BYTES, 4.0) == 4
