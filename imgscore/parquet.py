"""Parquet files of images, names, embeddings and labels, in the original recipe's columns.

`filename` (text), `sig` (sha256, hexadecimal), `uform_emb` (list of float32), `val` (float64, as
pandas writes it: 1 keep, 0 trash, null unlabelled). The embedder's id stands in the file's
metadata. Needs pyarrow (extra `imgscore[parquet]`); imported by workers and by `export`, never by
the idle daemon.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imgscore.embedders.registry import Spec
from imgscore.errors import UsageError
from imgscore.fsutil import replacing
from imgscore.store import head_inputs, labels, sightings
from imgscore.store.schema import DIGEST_SIZE, LabelName

if TYPE_CHECKING:
    from imgscore.store.store import Store

COLUMNS = ("filename", "sig", "uform_emb", "val")
EMBEDDER = b"imgscore.embedder"
ROWS_AT_A_TIME = 1024
VALUES = {"keep": 1.0, "trash": 0.0}
NEEDS = "pip install 'imgscore[parquet]'"


class Row(NamedTuple):
    """One image. `vector`: of the embedder in use, else None."""

    digest: bytes
    vector: bytes | None
    label: LabelName | None


class Written(NamedTuple):
    """How many rows a file has, with how many labels, and how many labels are not in it.

    Those are of images that have no embedding.
    """

    rows: int
    labels: int
    left_out: int


def write(store: Store, path: Path, *, taste: str, spec: Spec, labelled: bool = False) -> Written:
    """Write every image that has an embedding, or only the `labelled`: what a head sees of each.

    The file is whole or not there. Raises UsageError without pyarrow, or where the file cannot be
    written.
    """
    arrow, parquet = _pyarrow()
    schema = arrow.schema(
        [
            ("filename", arrow.string()),
            ("sig", arrow.string()),
            ("uform_emb", arrow.list_(arrow.float32())),
            ("val", arrow.float64()),
        ],
        metadata={EMBEDDER: spec.image_embedder.encode()},
    )
    if not path.name or os.path.isdir(path):
        raise UsageError(f"{path} is a folder", "give the name of a file")
    count = taught = 0
    try:
        with (
            replacing(path) as file,  # pyarrow opens no name that is not UTF-8
            parquet.ParquetWriter(file, schema) as writer,
            store.read() as txn,
        ):
            for names, values in head_inputs.blocks(txn, spec):
                matrix = np.frombuffer(values, np.float16).reshape(-1, spec.dim).astype(np.float32)
                digests = [names[at : at + DIGEST_SIZE] for at in range(0, len(names), DIGEST_SIZE)]
                found = [labels.current(txn, taste, digest) for digest in digests]
                rows = [row for row, label in enumerate(found) if label or not labelled]
                seen = [sightings.of_digest(txn, digests[row]) for row in rows]
                columns = {
                    "filename": [_name(one[0].path) if one else None for one in seen],
                    "sig": [digests[row].hex() for row in rows],
                    "uform_emb": [matrix[row] for row in rows],
                    "val": [
                        VALUES[one.label] if one else None for one in (found[row] for row in rows)
                    ],
                }
                writer.write_table(arrow.table(columns, schema=schema))
                count += len(rows)
                taught += sum(one is not None for one in found)
            left_out = sum(labels.totals(txn, taste).values()) - taught
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}", "choose another place") from None
    return Written(count, taught, left_out)


def _name(path: bytes) -> str:
    """A path as the UTF-8 that Parquet wants; other bytes are escaped."""
    return os.fsdecode(path).encode("utf-8", "backslashreplace").decode()


def read(path: Path, *, embedder: str, dim: int) -> Iterator[list[Row]]:
    """The rows of a file, in parts.

    Vectors of another embedder of images than `embedder` are left out, because they must not mix;
    labels come in all the same. What a row has beyond `dim` numbers is of its file's name, and left
    out too. Raises UsageError for a file that is not of this form.
    """
    arrow, parquet = _pyarrow()
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(path.open("rb"))  # by a name of any bytes, as in write
            file = parquet.ParquetFile(opened)
        except (OSError, arrow.ArrowInvalid) as error:
            message = f"{path} is not a Parquet file that can be read: {error}"
            raise UsageError(message, "give one that export wrote") from None
        missing = {"sig", "val"} - set(file.schema_arrow.names)
        if missing:
            raise UsageError(
                f"{path} has no column {', '.join(sorted(missing))}",
                f"it needs the columns {', '.join(COLUMNS)}",
            )
        ours = (file.schema_arrow.metadata or {}).get(EMBEDDER) == embedder.encode()
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


def _checked(path: Path, row: dict[str, Any], dim: int | None) -> Row:
    try:
        digest = bytes.fromhex(row["sig"] or "")
    except (ValueError, TypeError):
        digest = b""
    value = None if row["val"] != row["val"] else row["val"]  # some write NaN for nothing
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
        if numbers.ndim != 1 or len(numbers) < dim or not np.isfinite(numbers).all():
            raise UsageError(
                f"{path}: an embedding of {numbers.size} numbers, not {dim} finite ones",
                "export it again from where it came",
            )
        vector = numbers[:dim].tobytes()
    label: LabelName | None = None if value is None else ("keep" if value == 1 else "trash")
    return Row(digest, vector, label)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError("Parquet files need pyarrow", NEEDS) from None
    return pyarrow, parquet
