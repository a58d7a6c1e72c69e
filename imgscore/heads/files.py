"""Save and load heads as safetensors files with JSON in the header, never as pickles.

This is the only module of the package `heads` that uses the disk.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from imgscore.errors import StoreError, UsageError, reason_of
from imgscore.fsutil import open_regular, write_atomic
from imgscore.heads.base import Head
from imgscore.heads.checks import check_trial, check_values, require
from imgscore.heads.recipes import recipe

FORMAT = "imgscore-head"
VERSION = 1
MAX_BYTES = 1 << 30
"""The size in bytes of the largest head that is read. The largest trained heads have 100 MB."""
HEADER_KEY = "imgscore"
"""The key in the safetensors header under which the JSON text is stored."""


def save(head: Head, path: Path) -> None:
    """Write `head` to `path` atomically. Raises StoreError if the file cannot be written."""
    arrays, values = head.state()
    about = {
        "format": FORMAT,
        "version": VERSION,
        "kind": head.kind,
        "embedder": head.embedder,
        "dimensions": head.dimensions,
        "values": values,
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    data = serialise(contiguous, {HEADER_KEY: json.dumps(about, allow_nan=False)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data, mode=0o600)
    except OSError as error:
        raise StoreError(
            f"the head could not be written to {path}: {error.strerror}",
            "free some disk space, or check the permissions of the folder",
        ) from error


def load(path: Path, *, embedder: str | None = None, dimensions: int | None = None) -> Head:
    """Read the head in `path`.

    `embedder`, `dimensions`: the expected id of the embedder and the expected width of its
    embeddings. None means that any value is accepted.

    Raises StoreError if the file is unreadable, damaged, or no regular file, or if the scores of
    the head are not probabilities. Raises UsageError if the file is not a
    head, or if the head has another embedder or width than expected.
    """
    try:
        with open_regular(path) as opened:
            size = os.fstat(opened.fileno()).st_size
            if size > MAX_BYTES:
                raise ValueError(f"{size >> 20} MB are too many")
            # safetensors opens only paths. This path names the file that is open already.
            name = f"/proc/self/fd/{opened.fileno()}"
            with safe_open(name, framework="numpy") as file:
                about = json.loads((file.metadata() or {}).get(HEADER_KEY, "{}"))
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, TypeError, RecursionError) as error:
        reason = str(error) if isinstance(error, SafetensorError) else reason_of(error)
        raise StoreError(f"{path} cannot be read as a head: {reason}", "train again") from error
    if not isinstance(about, dict):
        about = {}
    return _checked(path, about, arrays, embedder, dimensions)


def _checked(
    path: Path,
    about: dict[str, Any],
    arrays: dict[str, Any],
    embedder: str | None,
    dimensions: int | None,
) -> Head:
    if about.get("format") != FORMAT:
        raise UsageError(
            f"{path} is a safetensors file, but not a head of imgscore",
            "give a file that imgscore has written to its heads folder",
        )
    if about.get("version") != VERSION:
        raise UsageError(
            f"{path} is a head of version {about.get('version')}; imgscore can read {VERSION} only",
            "update imgscore, or train again",
        )
    if not {"embedder", "dimensions", "kind", "values"} <= about.keys():
        raise StoreError(f"{path} is damaged: its header is incomplete", "train again")
    if embedder is not None and about["embedder"] != embedder:
        raise UsageError(
            f"{path} was trained on {about['embedder']!r}, but the embedder is {embedder!r}",
            "use that embedder (imgscore model use), or train again",
        )
    if dimensions is not None and about["dimensions"] != dimensions:
        raise UsageError(
            f"{path} scores embeddings of {about['dimensions']} numbers, not {dimensions}",
            "train again",
        )
    found = recipe(str(about["kind"]))
    try:
        check_values(arrays)
        head = found.restore(arrays, about["values"])
        require(head.dimensions == about["dimensions"], "its width is not the one in its header")
        require(head.embedder == about["embedder"], "its embedder is not the one in its header")
        with np.errstate(all="ignore"):
            check_trial(head)
    # onnxruntime has its own exceptions for inputs of a wrong shape.
    except Exception as error:
        raise StoreError(f"{path} is damaged: {reason_of(error)}", "train again") from error
    return head
