"""Lets the name of an image control the worker that reads it, as a malicious image might.

In a worker whose PYTHONPATH has this folder, kill-9.png ends the worker by signal 9. The worker
sends the bytes of lie-….png to the daemon, as if they were its answers.
"""

import os
import re
import sys

_KILL = re.compile(rb".*/kill-(\d+)[^/]*\.png")
_LIE = re.compile(rb".*/lie-[^/]*\.png")


def _act(event: str, arguments: tuple[object, ...]) -> None:
    name = arguments[0] if event == "open" else None
    if not isinstance(name, bytes) or name in _seen:
        return
    if kill := _KILL.fullmatch(name):
        os.kill(os.getpid(), int(kill[1]))
    if _LIE.fullmatch(name):
        _seen.add(name)
        with open(name, "rb") as file:
            os.write(sys.stdout.fileno(), file.read())


_seen: set[bytes] = set()
if "imgscore.workers.worker" in sys.orig_argv:
    sys.addaudithook(_act)
