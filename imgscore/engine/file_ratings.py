"""The ratings that the files of an image have, as they were read last."""

import os
from collections.abc import Iterable

from imgscore.reconcile import rating_rules
from imgscore.reconcile.reachable import is_unreachable
from imgscore.store import ratings
from imgscore.store.schema import Sighting
from imgscore.store.transaction import Txn
from imgscore.watches import Watches


def rating_of(txn: Txn, watches: Watches, taste: str, copies: Iterable[Sighting]) -> float | None:
    """Return the grade of the rating of an image in a taste; None if it has none.

    `copies`: the sightings of the image. The highest rating of the present files counts. After a
    move, the rating of the new path may not be read yet; then those of the former paths count.
    """
    found: list[tuple[bool, float]] = []
    for copy in copies:
        place = watches.locate(copy.path)
        if place is None or place.watch.taste != taste or not place.watch.ratings:
            continue
        rated = ratings.find(txn, copy.path)
        if rated is not None and rated.digest == copy.digest:
            grade = rating_rules.last_grade(rated)
            if grade is not None:
                found.append((_is_present(watches, copy), grade))
    return max(found)[1] if found else None


def _is_present(watches: Watches, copy: Sighting) -> bool:
    """Return whether a file is still at its path. Its sighting may be older than its deletion."""
    return not copy.gone_ns and (
        os.path.lexists(copy.path) or is_unreachable(watches, copy.path, copy.seen.dev)
    )
