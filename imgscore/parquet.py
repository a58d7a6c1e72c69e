"""Read and write Parquet files of images. A row has the file name, the digest, the embedding and
the label of one image. The columns are those of the original script, which imgscore replaces.

`filename` is the path of a file, as text. `sig` is the sha256 of the file, in hexadecimal.
`uform_emb` is a list of float32. `val` is the grade as a float64, the type that pandas writes: 1
means keep, 0 means trash, numbers between are other grades, and null means unlabelled. The metadata
of the Parquet file contains the id of the embedder.

This module needs pyarrow, from the extra `imgscore[parquet]`. Workers and the command `export`
import this module; the daemon does not.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imgscore.embedders.registry import Spec
from imgscore.errors import UsageError, reason_of
from imgscore.fsutil import open_regular, replacing
from imgscore.grades import of_number
from imgscore.store import head_inputs, labels, sightings
from imgscore.store.schema import DIGEST_SIZE, split_digests

if TYPE_CHECKING:
    from imgscore.store.store import Store

COLUMNS = ("filename", "sig", "uform_emb", "val")
EMBEDDER = b"imgscore.embedder"
ROW_BATCH = 1024
"""The number of rows that are read at a time. A row uses 5 kB, so 1024 rows use 5 MB."""
NEEDS = "pip install 'imgscore[parquet]'"


class Row(NamedTuple):
    """One row of a Parquet file.

    `vector`: None if another embedder made the vectors of the file.
    """

    digest: bytes
    vector: bytes | None
    grade: float | None


class Written(NamedTuple):
    """The counts of a written file.

    `rows`: the number of rows. `labels`: the number of labels in these rows. `left_out`: the number
    of labels that are not in the file, because their images have no embedding.
    """

    rows: int
    labels: int
    left_out: int


def write(store: Store, path: Path, *, taste: str, spec: Spec, labelled: bool = False) -> Written:
    """Write a Parquet file with one row for each image that has an embedding.

    `labelled`: whether to leave out the images without a label. The column `uform_emb` contains the
    vectors that heads get as input. The file is written atomically. Raises UsageError if pyarrow is
    not installed, or if the file cannot be written.
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
    row_count = label_count = 0
    try:
        with (
            # pyarrow itself cannot open a path that is not UTF-8.
            replacing(path) as file,
            parquet.ParquetWriter(file, schema) as writer,
            store.read() as txn,
        ):
            for names, values in head_inputs.blocks(txn, spec):
                matrix = np.frombuffer(values, np.float16).reshape(-1, spec.dim).astype(np.float32)
                digests = split_digests(names)
                current = [labels.current(txn, taste, digest) for digest in digests]
                rows = [row for row, label in enumerate(current) if label or not labelled]
                files = [sightings.of_digest(txn, digests[row]) for row in rows]
                row_labels = [current[row] for row in rows]
                columns = {
                    "filename": [_name(same[0].path) if same else None for same in files],
                    "sig": [digests[row].hex() for row in rows],
                    "uform_emb": [matrix[row] for row in rows],
                    "val": [label.grade if label else None for label in row_labels],
                }
                writer.write_table(arrow.table(columns, schema=schema))
                row_count += len(rows)
                label_count += sum(label is not None for label in current)
            left_out = labels.count(txn, taste) - label_count
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}", "choose another place") from None
    return Written(row_count, label_count, left_out)


def _name(path: bytes) -> str:
    """Return a path as text that can be written as UTF-8.

    Parquet requires UTF-8. Bytes of the path that are not valid UTF-8 are escaped.
    """
    return os.fsdecode(path).encode("utf-8", "backslashreplace").decode()


def read(path: Path, *, embedder: str, dim: int) -> Iterator[list[Row]]:
    """Yield the rows of a file, in parts.

    The store must not mix vectors of different embedders. If another embedder than `embedder` made
    the vectors of the file, the returned rows have labels but no vectors. Only the first `dim`
    numbers of each vector are used, because the other numbers describe the file name. Raises
    UsageError if the file does not have this format.
    """
    arrow, parquet = _pyarrow()
    with contextlib.ExitStack() as stack:
        try:
            # pyarrow itself cannot open a path that is not UTF-8.
            opened = stack.enter_context(open_regular(path))
            file = parquet.ParquetFile(opened)
        except (OSError, arrow.ArrowInvalid) as error:
            message = f"{path} is not a Parquet file that can be read: {reason_of(error)}"
            raise UsageError(message, "give a file that was written by: imgscore export") from None
        missing = {"sig", "val"} - set(file.schema_arrow.names)
        if missing:
            raise UsageError(
                f"{path} has no column {', '.join(sorted(missing))}",
                f"it needs the columns {', '.join(COLUMNS)}",
            )
        same_embedder = (file.schema_arrow.metadata or {}).get(EMBEDDER) == embedder.encode()
        names = [name for name in COLUMNS[1:] if name in file.schema_arrow.names]
        batches = file.iter_batches(ROW_BATCH, columns=names)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, arrow.ArrowException) as error:
                raise UsageError(f"{path} is damaged: {error}", "") from None
            if batch is None:
                return
            yield [_checked(path, row, dim if same_embedder else None) for row in batch.to_pylist()]


def _checked(path: Path, row: dict[str, Any], dim: int | None) -> Row:
    try:
        digest = bytes.fromhex(row["sig"] or "")
    except (ValueError, TypeError):
        digest = b""
    # Some programs write NaN instead of null. This test finds NaN, the only value that is not equal
    # to itself.
    value = None if row["val"] != row["val"] else row["val"]
    try:
        grade = None if value is None else of_number(value)
        is_valid = len(digest) == DIGEST_SIZE
    except (TypeError, ValueError):
        grade, is_valid = None, False
    if not is_valid:
        raise UsageError(
            f"{path}: a row is not valid: sig {row['sig']!r}, val {value!r}",
            "sig is a sha256 in hexadecimal; val is a number from 0 (trash) to 1 (keep), or empty",
        )
    vector = None
    if dim is not None and row.get("uform_emb") is not None:
        try:
            numbers = np.asarray(row["uform_emb"], np.float16)
        except (ValueError, TypeError):
            numbers = np.empty(0, np.float16)
        remedy = "write the file again with: imgscore export"
        if numbers.ndim != 1 or len(numbers) < dim:
            raise UsageError(f"{path}: an embedding has {numbers.size} numbers, not {dim}", remedy)
        if not np.isfinite(numbers).all():
            raise UsageError(f"{path}: an embedding contains a number that is not finite", remedy)
        vector = numbers[:dim].tobytes()
    return Row(digest, vector, grade)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError("Parquet files need pyarrow", NEEDS) from None
    return pyarrow, parquet
