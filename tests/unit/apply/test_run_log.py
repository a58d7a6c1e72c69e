"""The log of the moves of a run."""

import os
from pathlib import Path

import pytest

from imgscore.apply.run_log import Ended, LoggedMove, Move, Moves, RunLogs, Settled
from imgscore.errors import ImgscoreError, StoreError


def move(name: str) -> Move:
    """The move of a file."""
    return Move(name, name, 1, 2, 1, "default", "ab", "keep", 1.0)


def read_back(logs: RunLogs) -> list[tuple[list[LoggedMove], set[int], bool]]:
    """Return the contents of the logs, newest run first."""
    return [(run.moves, run.settled, run.ended) for run in logs.newest_first()]


def test_run_log_read_back_contains_all_records(tmp_path: Path) -> None:
    logs = RunLogs(tmp_path / "moves")
    name = os.fsdecode(b"odd \xff\n.jpg")
    run = logs.create()
    run.add(Moves("/inbox", "/keep", [move(name), move("b.jpg")]))
    run.add(Settled([1]), durable=False)
    run.add(Ended())
    run.close()
    newer = logs.create()
    newer.close()
    (empty, (moves, settled, ended)) = read_back(logs)
    assert empty == ([], set(), False)
    assert (settled, ended) == ({1}, True)
    assert [logged.source for logged in moves] == [b"/inbox/odd \xff\n.jpg", b"/inbox/b.jpg"]
    assert moves[0].target == b"/keep/odd \xff\n.jpg"
    assert [file.stat().st_mode & 0o777 for file in (tmp_path / "moves").iterdir()] == [0o600] * 3
    logs.close()


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_run_log_with_an_incomplete_last_line_drops_it_and_can_be_continued(
    tmp_path: Path, cut: int
) -> None:
    logs = RunLogs(tmp_path)
    run = logs.create()
    run.add(Moves("/inbox", "/keep", [move("a.jpg")]))
    run.add(Moves("/inbox", "/keep", [move("b.jpg")]))
    run.close()
    run.path.write_bytes(run.path.read_bytes()[:-cut])
    for again in logs.newest_first():
        assert [logged.move.source for logged in again.moves] == ["a.jpg"]
        again.add(Settled([0]))
    assert read_back(logs)[0][1] == {0}
    logs.close()


def test_run_log_with_a_damaged_line_is_an_error(tmp_path: Path) -> None:
    logs = RunLogs(tmp_path)
    run = logs.create()
    run.add(Ended())
    run.close()
    run.path.write_bytes(b"{damaged}\n" + run.path.read_bytes())
    with pytest.raises(StoreError, match="damaged"):
        read_back(logs)
    logs.close()


def test_run_log_on_a_full_disk_is_an_error_and_stays_readable(tmp_path: Path) -> None:
    logs = RunLogs(tmp_path)
    run = logs.create()
    run.add(Moves("/inbox", "/keep", [move("a.jpg")]))
    size = run.path.stat().st_size
    full = os.open("/dev/full", os.O_WRONLY)
    held, run._descriptor = run._descriptor, full
    with pytest.raises(StoreError, match="No space left"):
        run.add(Ended())
    run._descriptor = held
    os.close(full)
    run.close()
    assert run.path.stat().st_size == size
    assert read_back(logs)[0][2] is False
    logs.close()


def test_run_logs_used_by_another_process_are_refused(tmp_path: Path) -> None:
    logs = RunLogs(tmp_path)
    with pytest.raises(ImgscoreError, match="another imgscore apply"):
        RunLogs(tmp_path)
    logs.close()
    RunLogs(tmp_path).close()
