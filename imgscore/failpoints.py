"""Named steps at which a test ends the process as a power failure would. Nothing else happens here.

`IMGSCORE_STOP_AT="before commit:3"` is SIGKILL at the third "before commit" of a process. Read
once; where it is not set, a step is one comparison.
"""

import os
import signal

STEPS = (
    "after hash", "before commit", "after commit", "after journal", "between touches",
    "after touches", "in training", "after training", "in switch", "after switch", "in migration",
    "in backup",
)  # fmt: skip
"""Every name, in the order of the flow."""

_wanted, _, _number = os.environ.get("IMGSCORE_STOP_AT", "").partition(":")
_left = int(_number) if _number.isdigit() else 1
_first: int | None = None


def together_with(parent: int) -> None:
    """This process is a worker: a power failure ends its parent as well, and first."""
    global _first  # noqa: PLW0603
    _first = parent


def step(name: str) -> None:
    """The process has come to a step."""
    if name == _wanted:
        _arrive()


def _arrive() -> None:
    global _left  # noqa: PLW0603
    _left -= 1
    if _left == 0:
        for process in (_first, os.getpid()):
            if process is not None:
                os.kill(process, signal.SIGKILL)
