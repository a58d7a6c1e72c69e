"""The processes of a test, found in /proc."""

import os
import time
from collections.abc import Sequence
from pathlib import Path


def processes(name: str, text: str = "") -> list[int]:
    """Other processes with `name` in their command, and `text` in that or in their environment."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = os.fsdecode((folder / "cmdline").read_bytes())
            if name in command and text in command + os.fsdecode((folder / "environ").read_bytes()):
                pids.append(int(folder.name))
        except OSError:  # it has ended
            continue
    return [pid for pid in pids if pid != os.getpid()]


def threads(pid: int) -> list[Path]:
    """The folder in /proc of each thread of a process."""
    return list(Path(f"/proc/{pid}/task").iterdir())


def are_quiet(threads: Sequence[Path], seconds: float) -> bool:
    """Watch threads for some seconds. Return whether all of them sleep, and none has woken.

    A thread that waits for a moment, for example for Python's interpreter lock, sleeps too. So one
    look is not enough.
    """
    before = _sleeps(threads)
    time.sleep(seconds)
    return before is not None and _sleeps(threads) == before


def _sleeps(threads: Sequence[Path]) -> list[str] | None:
    """The number of times that each thread has gone to sleep; None if one is awake or has ended."""
    try:
        texts = [(thread / "status").read_text() for thread in threads]
    except OSError:
        return None
    if not all("\nState:\tS" in text for text in texts):
        return None
    return [text.partition("\nvoluntary_ctxt_switches:")[2].split()[0] for text in texts]
