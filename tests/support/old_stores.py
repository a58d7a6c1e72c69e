"""Turns a store into one of an older schema, as older versions of imgscore wrote it."""

from pathlib import Path

import lmdb

from imgscore.store.checksums import SIZE, TABLES
from imgscore.store.store import TABLES as ALL_TABLES


def downgrade(folder: Path, schema: int) -> None:
    """Remove the checksums from the records of a closed store, and write the number `schema`."""
    with lmdb.open(str(folder), max_dbs=len(ALL_TABLES), map_size=2**30) as environment:
        handles = {name: environment.open_db(name.encode()) for name in TABLES}
        with environment.begin(write=True) as txn:
            txn.delete(b"schema copy", db=handles["meta"])
            for handle in handles.values():
                with txn.cursor(db=handle) as cursor:
                    entries = list(cursor)
                for key, value in entries:
                    if key != b"schema":
                        txn.put(key, value[:-SIZE], db=handle)
                    else:
                        txn.put(key, str(schema).encode(), db=handle)
