"""Adds the names of tastes to printed rows, if the rows may belong to several tastes."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from imgscore import dispatch


class _TasteRow(Protocol):
    """A row that belongs to a taste."""

    @property
    def taste(self) -> str | None:
        """The name of the taste, or None if it is not known."""


T = TypeVar("T", bound=_TasteRow)


def several(taste: str | None) -> bool:
    """Return whether a command is about several tastes. `taste`: the taste that the user gave."""
    if taste is not None:
        return False
    return len({watch.taste for watch in dispatch.settings_in_force().watch}) > 1


def headed(human: Callable[[T], str], taste: str | None) -> Callable[[T], str]:
    """Return a function that puts the name of the taste above the first row of each taste.

    `human`: a function that returns the text of a row. It is returned unchanged if the user gave a
    taste, or if there is only one.
    """
    if not several(taste):
        return human
    last: list[str | None] = [None]

    def text(row: T) -> str:
        is_first, last[0] = row.taste != last[0], row.taste
        return f"taste {row.taste}:\n{human(row)}" if is_first else human(row)

    return text


def marked(human: Callable[[T], str], taste: str | None) -> Callable[[T], str]:
    """Return a function that puts the name of the taste at the end of each row.

    It is used for rows of different tastes that are mixed. For the parameters, see `headed`.
    """
    if not several(taste):
        return human
    return lambda row: f"{human(row)}  [{row.taste}]" if row.taste else human(row)
