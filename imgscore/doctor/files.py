"""The check of the files that `imgscore status` lists as failed."""

from collections.abc import Iterator

from imgscore import client, paths
from imgscore.doctor.finding import Finding
from imgscore.errors import ImgscoreError
from imgscore.store import failures, verify
from imgscore.store.store import Store
from imgscore.verbs.base import rows_of
from imgscore.verbs.status import Request
from imgscore.watches import Watches

STATUS_SECONDS = 5.0
"""The longest wait for the answer of the daemon, in seconds. A healthy daemon answers at once."""


def files(watches: Watches) -> Iterator[Finding]:
    """Count the failed files, as `imgscore status` does."""
    count = _failed(watches)
    if count:
        detail = f"{count} file{'s' if count > 1 else ''} failed"
        yield Finding("files", "warning", detail, "see the reasons: imgscore status")
    else:
        yield Finding("files", "ok", "no file has failed")


def _failed(watches: Watches) -> int:
    """Return the number of failed files. Without a daemon, it is read from the store.

    If the daemon or the store cannot be asked, return 0: other checks report this.
    """
    connection = client.connect_to_daemon()
    try:
        if connection is not None:
            with connection:
                connection.settimeout(STATUS_SECONDS)
                (status,) = rows_of(client.call(connection, Request()))
            return len(status.failed)
        if not (paths.store_folder() / "data.mdb").exists():
            return 0
        # LMDB could crash this process if a page were damaged.
        verify.before_reading(paths.data_folder(), paths.store_folder())
        with Store(paths.store_folder(), readonly=True) as store, store.read() as txn:
            return sum(
                watches.locate(failure.path) is not None for failure in failures.iter_all(txn)
            )
    except ImgscoreError:
        return 0
