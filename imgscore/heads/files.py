"""Heads on disk: one safetensors file, its choices as JSON in the header. Never pickle.

The only file of this house that touches a disk.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from imgscore.errors import StoreError, UsageError
from imgscore.fsutil import write_atomic
from imgscore.heads.base import Head
from imgscore.heads.recipes import recipe

FORMAT = "imgscore-head"
VERSION = 1
ENTRY = "imgscore"
"""The header entry that holds the JSON; safetensors allows text there."""


def save(head: Head, path: Path) -> None:
    """Write `head` to `path`, whole or not at all: temporary file, fsync, rename.

    Raises StoreError where the disk refuses.
    """
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
    data = serialise(contiguous, {ENTRY: json.dumps(about, allow_nan=False)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data, mode=0o600)
    except OSError as error:
        raise StoreError(
            f"the head could not be written to {path}: {error.strerror}",
            "free some space, or look at the folder's permissions",
        ) from error


def load(path: Path, *, embedder: str | None = None, dimensions: int | None = None) -> Head:
    """The head in `path`, checked against `embedder` and `dimensions` where given.

    Raises StoreError where the file is unreadable or damaged, UsageError where it is a head for
    other embeddings.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get(ENTRY, "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise StoreError(f"{path} is not a readable head: {error}", "train again") from error
    return _checked(path, about, arrays, embedder, dimensions)


def _checked(
    path: Path,
    about: dict[str, Any],
    arrays: dict[str, Any],
    embedder: str | None,
    dimensions: int | None,
) -> Head:
    if about.get("format") != FORMAT:
        raise UsageError(f"{path} is a safetensors file, but no head of imgscore's")
    if about.get("version") != VERSION:
        raise UsageError(
            f"{path} is a head of version {about.get('version')}; this imgscore reads {VERSION}",
            "update imgscore, or train again",
        )
    if not {"embedder", "dimensions", "kind", "values"} <= about.keys():
        raise StoreError(f"{path} is damaged: it does not say what it is", "train again")
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
    try:
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"{name} is not finite")
        return recipe(about["kind"]).restore(arrays, about["values"])
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise StoreError(f"{path} is damaged: {error}", "train again") from error
