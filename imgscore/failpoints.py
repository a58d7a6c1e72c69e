"""Named points in the program at which the crash tests end the process.

This simulates a power failure. Only code in the process can arm the points. A setting, an option or
an environment variable cannot arm them.
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
    """Call `on_step` at each failpoint that this process reaches after this call.

    Only tests use this.
    """
    global _on_step  # noqa: PLW0603
    _on_step = on_step


def step(name: Name) -> None:
    """Mark a failpoint. If a test has armed the failpoints, call the test's function."""
    if _on_step is not None:
        _on_step(name)
