"""Parquet files of images, names, embeddings and labels, in the original recipe's columns.

`filename` (text), `sig` (sha256, hexadecimal), `uform_emb` (list of float32), `val` (1 keep, 0
trash, null unlabelled). The embedder's id stands in the file's metadata. Needs pyarrow (extra
`imgscore[parquet]`); imported by workers and by `export`, never by the idle daemon.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imgscore.errors import UsageError
from imgscore.store import labels, sightings, vectors
from imgscore.store.schema import DIGEST_SIZE

if TYPE_CHECKING:
    from imgscore.store.store import Store

COLUMNS = ("filename", "sig", "uform_emb", "val")
EMBEDDER = b"imgscore.embedder"
ROWS_AT_A_TIME = 1024
VALUES = {"keep": 1, "trash": 0}
NEEDS = "pip install 'imgscore[parquet]'"

Row = dict[str, Any]


def write(store: Store, path: Path, *, taste: str, embedder: str, dim: int) -> int:
    """Write every image that has an embedding; returns how many. The file is whole or not there.

    Raises UsageError without pyarrow, or where the file cannot be written.
    """
    arrow, parquet = _pyarrow()
    schema = arrow.schema(
        [
            ("filename", arrow.string()),
            ("sig", arrow.string()),
            ("uform_emb", arrow.list_(arrow.float32())),
            ("val", arrow.int8()),
        ],
        metadata={EMBEDDER: embedder.encode()},
    )
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        with (
            part.open("wb") as file,  # by a name of any bytes, which pyarrow cannot
            parquet.ParquetWriter(file, schema) as writer,
            store.read() as txn,
        ):
            for names, values in vectors.blocks(txn, embedder):
                matrix = np.frombuffer(values, np.float16).reshape(-1, dim).astype(np.float32)
                digests = [names[at : at + DIGEST_SIZE] for at in range(0, len(names), DIGEST_SIZE)]
                found = [labels.current(txn, taste, digest) for digest in digests]
                seen = [sightings.of_digest(txn, digest) for digest in digests]
                columns = {
                    "filename": [_name(one[0].path) if one else None for one in seen],
                    "sig": [digest.hex() for digest in digests],
                    "uform_emb": list(matrix),
                    "val": [VALUES[one.label] if one else None for one in found],
                }
                writer.write_table(arrow.table(columns, schema=schema))
                count += len(digests)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error}", "choose another place") from None
    return count


def _name(path: bytes) -> str:
    """A path as the UTF-8 that Parquet wants; other bytes are escaped."""
    return os.fsdecode(path).encode("utf-8", "backslashreplace").decode()


def read(path: Path, *, embedder: str, dim: int) -> Iterator[list[Row]]:
    """The rows of a file in parts: `sha256` (bytes), `vector` (bytes or None), `label` or None.

    Vectors of another embedder than `embedder` are left out, because they must not mix; labels
    come in all the same. Raises UsageError for a file that is not of this form.
    """
    arrow, parquet = _pyarrow()
    try:
        file = parquet.ParquetFile(path)
    except (OSError, UnicodeError, arrow.ArrowInvalid) as error:
        raise UsageError(f"{path} is not a Parquet file that can be read: {error}", "") from None
    with file:
        missing = {"sig", "val"} - set(file.schema_arrow.names)
        if missing:
            raise UsageError(
                f"{path} has no column {', '.join(sorted(missing))}",
                f"it needs the columns {', '.join(COLUMNS)}",
            )
        ours = (file.schema_arrow.metadata or {}).get(EMBEDDER, b"").decode() == embedder
        names = [name for name in COLUMNS[1:] if name in file.schema_arrow.names]
        batches = file.iter_batches(ROWS_AT_A_TIME, columns=names)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, arrow.ArrowException) as error:
                raise UsageError(f"{path} is damaged: {error}", "") from None
            if batch is None:
                return
            yield [_checked(path, row, dim if ours else None) for row in batch.to_pylist()]


def _checked(path: Path, row: Row, dim: int | None) -> Row:
    try:
        digest = bytes.fromhex(row["sig"] or "")
    except (ValueError, TypeError):
        digest = b""
    value = row["val"]
    if len(digest) != DIGEST_SIZE or value not in (None, 0, 1):
        raise UsageError(
            f"{path}: a row with sig {row['sig']!r} and val {value!r}",
            "sig is a sha256 in hexadecimal; val is 1 (keep), 0 (trash) or empty",
        )
    vector = None
    if dim is not None and row.get("uform_emb") is not None:
        try:
            numbers = np.asarray(row["uform_emb"], np.float16)
        except (ValueError, TypeError):
            numbers = np.empty(0, np.float16)
        if numbers.shape != (dim,) or not np.isfinite(numbers).all():
            raise UsageError(
                f"{path}: an embedding of {len(numbers)} numbers, not {dim} finite ones",
                "export it again from where it came",
            )
        vector = numbers.tobytes()
    label = None if value is None else ("keep" if value == 1 else "trash")
    return {"sha256": digest, "vector": vector, "label": label}


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError("Parquet files need pyarrow", NEEDS) from None
    return pyarrow, parquet
