"""Determines the tastes on which a verb works. No other module chooses a taste.

A request that names no taste is about all tastes. A verb that can only work on one taste raises
UsageError if there are several. argument_checks.py checks that a given taste exists.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from imgscore.errors import ImgscoreError, UsageError

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.verbs.base import Steps
    from imgscore.watches import Watches

R_co = TypeVar("R_co", covariant=True)

DEFAULT = "default"
"""The taste if no folder is watched: that of a watch whose config names no taste."""


def watched(watches: Watches) -> list[str]:
    """Return the tastes of all watches, in the order of the config. The list is never empty."""
    return list(dict.fromkeys(watch.taste for watch in watches.all)) or [DEFAULT]


def all_of(engine: Engine, taste: str | None) -> list[str]:
    """Return the tastes of a request that lists something. `taste`: the taste of the request."""
    return watched(engine.ctx.watches) if taste is None else [taste]


def one_of(watches: Watches, taste: str | None) -> str:
    """Return the taste of a request that can only be about one taste.

    Raises UsageError if the request names no taste, and there are several.
    """
    if taste is not None:
        return taste
    first, *others = watched(watches)
    if others:
        raise UsageError(
            f"there are {1 + len(others)} tastes, and this command needs one", give_one(watches)
        )
    return first


def give_one(watches: Watches) -> str:
    """Return the remedy for a request that must name a taste."""
    from imgscore.verbs.argument_checks import listed

    return f"add --taste with one of these tastes: {listed(watched(watches))}"


def of_file(engine: Engine, path: bytes, taste: str | None) -> list[str]:
    """Return the tastes that score a file: the taste of its watch.

    If it is outside of all watches, return all tastes. `taste`: the taste of the request.
    """
    if taste is not None:
        return [taste]
    place = engine.ctx.watches.locate(path)
    if place is not None:
        return [place.watch.taste]
    tastes = watched(engine.ctx.watches)
    return tastes if os.path.lexists(path) else tastes[:1]


def each(engine: Engine, taste: str | None, steps: Callable[[str], Steps[R_co]]) -> Steps[R_co]:
    """Run a part of a verb for each taste of a request, one after the other.

    If the part fails for some of several tastes, the other tastes are still done. Then raise one
    ImgscoreError that names these tastes.
    """
    tastes = all_of(engine, taste)
    failed: list[tuple[str, ImgscoreError]] = []
    for name in tastes:
        try:
            yield from steps(name)
        except ImgscoreError as error:
            if len(tastes) == 1:
                raise
            failed.append((name, error))
    if failed:
        kinds = {type(error) for _, error in failed}
        kind = kinds.pop() if len(kinds) == 1 and len(failed) == len(tastes) else ImgscoreError
        text = "; ".join(f"taste {name}: {error.message}" for name, error in failed)
        raise kind(text, failed[0][1].remedy)
