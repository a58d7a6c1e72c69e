"""Queues the images of a watch whose setting `ratings` or taste has changed: read all ratings."""

import logging
from functools import partial

from imgscore.engine.log_text import counted, short_path
from imgscore.errors import StoreError
from imgscore.store import ratings, settings, sightings
from imgscore.store.schema import path_key
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Watch, Watches

logger = logging.getLogger(__name__)


def adopt(store: Store, watches: Watches) -> None:
    """Queue the images of each watch whose ratings the engine follows from now on.

    Nothing is written if no setting has changed.
    """
    with store.read() as txn:
        changed = [
            watch
            for watch in watches.all
            if settings.get(txn, _name(watch)) != (watch.taste if watch.ratings else None)
        ]
    for watch in changed:
        try:
            count = store.commit(partial(_adopt, watch))
        except StoreError as error:  # for example a full disk: the next start tries again
            logger.warning("%s; %s", error.message, error.remedy)
            continue
        if count:
            images = counted(count, "image")
            logger.info("reading the ratings of %s in %s", images, short_path(watch.inbox))


def _adopt(watch: Watch, txn: Txn) -> int:
    """Record the taste that learns from the ratings of a watch. Return the number of images.

    The ratings teach only images without a label, as those of new images.
    """
    former = settings.get(txn, _name(watch))
    settings.put(txn, _name(watch), watch.taste if watch.ratings else None)
    if not watch.ratings:
        return 0
    count = 0
    for role in {role for _, role in watch.folders()}:
        for sighting in list(sightings.in_place(txn, watch.inbox, role)):
            if former is not None:  # The ratings have taught another taste.
                ratings.forget(txn, sighting.path)
            ratings.enqueue(txn, sighting.path, new=True)
            count += 1
    return count


def _name(watch: Watch) -> str:
    return f"ratings:{path_key(watch.inbox).hex()}"
