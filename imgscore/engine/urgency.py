"""Decides which files are sent to workers while the daemon is paused or saves power."""

from imgscore.engine.stage import Conditions
from imgscore.reconcile.debounce import Urgency


def least_urgent(conditions: Conditions) -> Urgency:
    """Return the lowest urgency that a file must have to be sent to a worker now.

    During a pause, only files that a client asked for are sent. While the machine saves power,
    files in keep and trash folders are sent too, because their original dates must be restored.
    """
    if conditions.paused:
        return "asked"
    return "teaches" if conditions.saving else "again"
