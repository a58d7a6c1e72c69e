"""Failpoints: named points in the program at which the crash tests end the process.

The sudden end simulates a power failure. Only Python code that runs in the process can switch the
failpoints on. No setting, option or environment variable can do this.
"""

from collections.abc import Callable
from typing import Literal

Name = Literal[
    "after hash",
    "before commit",
    "after commit",
    "after journal",
    "between touches",
    "after touches",
    "in training",
    "after training",
    "in switch",
    "after switch",
    "in migration",
    "in backup",
]

_on_step: Callable[[Name], None] | None = None


def arm(on_step: Callable[[Name], None]) -> None:
    """Switch the failpoints on: `step` then calls `on_step` with the name of each failpoint.

    Only tests call this function.
    """
    global _on_step  # noqa: PLW0603
    _on_step = on_step


def step(name: Name) -> None:
    """Mark a failpoint.

    If a test has called `arm`, call the function that the test passed to `arm`.
    """
    if _on_step is not None:
        _on_step(name)
