"""Gathers the groups of a review.

The worker that answers the queries of a daemon also trains, so a query can wait for the end of a
training. While the daemon has work, a worker of this process reads the store instead.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from imgscore import client, dispatch, errors, paths
from imgscore.errors import ImgscoreError
from imgscore.report import files
from imgscore.report.data import ReportData
from imgscore.verbs import report, status
from imgscore.verbs.base import rows_of

POLL_SECONDS = 1.0
"""The longest wait for the worker, in seconds. A worker that has ended is noticed after a wait."""


def gathered(request: report.Request, source: report.Response) -> ReportData:
    """Return the data of a page with its groups.

    `request`: the request for the page. `source`: its answer. Raises ImgscoreError if the data
    cannot be gathered.
    """
    if _daemon_works():
        return _from_store(source)
    (row,) = rows_of(dispatch.call(msgspec.structs.replace(request, groups=True)))
    return files.read(Path(row.data), row.folder)


def _daemon_works() -> bool:
    connection = client.connect_to_daemon()
    if connection is None:
        return False
    with connection:
        (row,) = rows_of(client.call(connection, status.Request()))
    return row.pending > 0


def _from_store(source: report.Response) -> ReportData:
    """Let a worker of this process read the store, which a daemon may change meanwhile."""
    from imgscore.engine.engine import open_pool
    from imgscore.workers.messages import Notice, Refused
    from imgscore.workers.queries import QueryRows, ReportQuery

    # The daemon can write the data of the same taste at the same time.
    file = Path(source.data).with_name(f"{source.taste}-{os.getpid()}.json")
    query = ReportQuery(
        source.taste,
        inboxes=[os.fsencode(watch.inbox) for watch in source.watches],
        folder=None if source.folder is None else os.fsencode(source.folder),
        suspects=0,
        figures=False,
        file=os.fsencode(file),
        thumbnails=None,
    )
    settings = dispatch.settings_in_force()
    try:
        with open_pool(paths.store_folder(), settings, paths.heads_folder()) as pool:
            pool.submit(query)
            while True:
                for _, answer in pool.answers(POLL_SECONDS):
                    match answer:
                        case QueryRows(last=True):
                            return files.read(file, source.folder)
                        case QueryRows() | Notice():
                            pass
                        case Refused(reason, remedy, kind):
                            raise errors.of_kind(kind, reason, remedy)
                        case _:
                            reason = getattr(answer, "reason", "gave no answer")
                            raise ImgscoreError(f"the worker {reason}", "open the tab again")
    finally:
        file.unlink(missing_ok=True)
