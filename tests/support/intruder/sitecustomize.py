"""Attacks from inside a worker, as a malicious image might: for tests of the confinement.

In a worker whose PYTHONPATH has this folder, it runs when victim.png is opened, and writes the
result of each attempt to stderr.
"""

import errno
import os
import socket
import sys
from collections.abc import Callable


def _attempt(harm: Callable[[], object]) -> str:
    try:
        harm()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def _intrude(victim: str) -> None:
    beside = victim + ".new"
    tries: dict[str, Callable[[], object]] = {
        "overwrite": lambda: os.open(victim, os.O_WRONLY),
        "truncate": lambda: os.truncate(victim, 0),
        "rename": lambda: os.rename(victim, beside),
        "delete": lambda: os.unlink(victim),
        "create": lambda: os.open(beside, os.O_WRONLY | os.O_CREAT),
        "folder": lambda: os.mkdir(beside),
        "link": lambda: os.symlink(victim, beside),
        "store": lambda: os.open(f"{sys.argv[1]}/data.mdb", os.O_WRONLY),
        "chmod": lambda: os.chmod(victim, 0o600),
        "attribute": lambda: os.setxattr(victim, "user.harm", b"1"),
        "network": lambda: socket.socket(socket.AF_INET).close(),
        "date": lambda: os.utime(victim, ns=(1, os.stat(victim).st_mtime_ns)),
    }
    outcomes = " ".join(f"{name}={_attempt(harm)}" for name, harm in tries.items())
    os.write(2, f"intruder: {outcomes}\n".encode())


def _notice(event: str, arguments: tuple[object, ...]) -> None:
    name = arguments[0] if event == "open" else None
    if isinstance(name, bytes) and name.endswith(b"/victim.png") and name not in _victims:
        _victims.add(name)
        _intrude(os.fsdecode(name))


_victims: set[bytes] = set()
sys.addaudithook(_notice)
