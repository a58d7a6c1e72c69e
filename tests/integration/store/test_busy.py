"""A call waits for another process that has locked the store, but not without end."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from imgscore import dispatch, paths
from imgscore.store.lock import BusyError, StoreLock
from imgscore.verbs import status
from imgscore.verbs.base import rows_of

HOLD = (
    "import sys; from pathlib import Path; from imgscore.store.lock import StoreLock; "
    "lock = StoreLock(Path(sys.argv[1])); print(flush=True); sys.stdin.read(); lock.close()"
)


@pytest.mark.parametrize(("program", "waits"), [("imgscore", False), ("imgscored", True)])
def test_call_waits_longer_for_a_daemon_that_is_starting(
    monkeypatch: pytest.MonkeyPatch, program: str, waits: bool
) -> None:
    monkeypatch.setattr(dispatch, "BUSY_SECONDS", 0.2)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, paths.data_folder(), program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdout.readline()
        if not waits:
            with pytest.raises(BusyError):
                list(dispatch.call(status.Request()))
            return
        release = threading.Timer(1.0, holder.stdin.close)
        release.start()
        try:
            (row,) = rows_of(dispatch.call(status.Request()))
            assert row.state == "offline"
        finally:
            release.join()


def test_lock_that_is_handed_over_belongs_to_a_starting_daemon(tmp_path: Path) -> None:
    with StoreLock(tmp_path) as lock:
        with pytest.raises(BusyError) as of_a_command:
            StoreLock(tmp_path)
        lock.hand_over()
        with pytest.raises(BusyError) as between:
            StoreLock(tmp_path)
        lock.take_back()
        lock.publish(Path("/run/control.sock"))
        with pytest.raises(BusyError) as published:
            StoreLock(tmp_path)
    starts = [error.value.daemon_starts for error in (of_a_command, between, published)]
    assert starts == [False, True, False] and str(os.getpid()) in of_a_command.value.message
