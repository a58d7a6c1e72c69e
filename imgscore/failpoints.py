"""Named points in the flow at which the crash tests end the process, as a power failure would.

Only code inside the process can arm them: no setting, option or environment variable does.
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
    """Call `on_step` at each failpoint of this process from now on. For tests."""
    global _on_step  # noqa: PLW0603
    _on_step = on_step


def step(name: Name) -> None:
    """Mark a failpoint. Does nothing unless a test has armed it."""
    if _on_step is not None:
        _on_step(name)
