"""Gives labels to a watch whose taste has changed since the last start of the engine.

A label belongs to a taste. If the config gives a watch another taste, the images in its label
folders would have no label of the new taste until the files change.
"""

import logging
import time
from functools import partial

from imgscore.engine.log_text import counted, short_path
from imgscore.errors import StoreError
from imgscore.store import labels, settings, sightings
from imgscore.store.schema import LabelEvent, path_key, stored_grade
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Watch, Watches, grade_of

logger = logging.getLogger(__name__)


def adopt(store: Store, watches: Watches) -> None:
    """Label the images in label folders, for each watch whose taste has changed.

    Nothing is written if no taste has changed. An image that has a label of the new taste keeps it.
    """
    with store.read() as txn:
        changed = [
            (watch, before)
            for watch in watches.all
            if (before := settings.get(txn, _name(watch))) != watch.taste
        ]
    for watch, before in changed:
        try:
            count = store.commit(partial(_adopt, watch, before))
        except StoreError as error:  # for example a full disk: the next start tries again
            logger.warning("%s; %s", error.message, error.remedy)
            continue
        if count:
            logger.info(
                "%s has the taste %s now: %s from its folders",
                short_path(watch.inbox),
                watch.taste,
                counted(count, "label"),
            )


def _adopt(watch: Watch, before: str | None, txn: Txn) -> int:
    """Record the taste of a watch. If it had the taste `before`, return the number of new labels.

    An image gets the label that it has in the taste `before`. If it has none there, the folder
    gives the label.
    """
    settings.put(txn, _name(watch), watch.taste)
    if before is None:
        return 0
    now_ns, count = time.time_ns(), 0
    for role in dict.fromkeys(role for _, role in watch.label_folders()):
        taught = grade_of(role)
        if taught is None:
            continue
        for sighting in list(sightings.in_place(txn, watch.inbox, role)):
            if labels.current(txn, watch.taste, sighting.digest) is not None:
                continue
            known = labels.current(txn, before, sighting.digest)
            value = stored_grade(taught if known is None else known.grade)
            event = LabelEvent(now_ns, watch.taste, sighting.digest, value, "place", sighting.path)
            labels.append(txn, event)
            count += 1
    return count


def _name(watch: Watch) -> str:
    """Return the name of the setting that contains the taste that a watch had last."""
    return f"taste:{path_key(watch.inbox).hex()}"
