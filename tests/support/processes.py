"""The processes of a test, found in /proc."""

import os
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
