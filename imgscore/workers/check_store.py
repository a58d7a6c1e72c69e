"""Check the store for `db check`."""

from imgscore.store import checks
from imgscore.workers.context import Context
from imgscore.workers.queries import CheckedRecords, CheckStoreQuery, QueryRows


def check_store(context: Context, query: CheckStoreQuery) -> QueryRows:
    """Run all checks of the store."""
    with context.store.read() as txn:
        found = list(checks.iter_all(txn, context.store.file))
    return QueryRows([CheckedRecords(*finding) for finding in found], last=True)
