"""model: the known models, which is in use, and how many vectors the store has of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from imgscore.embedders import catalogue, lite0_spec, registry
from imgscore.errors import ConfigError
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Response(msgspec.Struct):
    """A model, or an embedder that only the store has vectors of."""

    name: str | None = None
    """the name of the model; null if only its vectors are left"""
    embedder: str | None = None
    """the embedder id of the model; null if the model is not downloaded"""
    installed: bool = False
    """whether the model can be used now"""
    in_use: bool = False
    """whether the config names it"""
    dimension: int | None = None
    """numbers in a vector; null if it is not known"""
    download_mb: int | None = None
    """size of the download in megabytes; 0 if none is needed, null if it is not known"""
    disk_bytes: int = 0
    """size of its files, in bytes"""
    vectors: int = 0
    """vectors of it in the store"""
    languages: str | None = None
    """languages that its text encoder reads; null if it has none"""
    path: str | None = None
    """the folder of the model's files; null if the model is not downloaded"""
    error: str | None = None
    """why it cannot be used, and what to do; null if it can"""


class Request(BaseRequest[Response]):
    """No arguments."""


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a row for each model, then one for each other embedder that has vectors."""
    from imgscore.store import vectors

    ctx = engine.ctx
    with ctx.store.read() as txn:
        stored = {name: record.count for name, record in vectors.embedders(txn).items()}
    names = [registry.BUILT_IN, *catalogue.UFORM]
    if ctx.config.model not in names:
        names.append(ctx.config.model)
    for row in [_row(name) for name in names]:
        row.in_use = row.name == ctx.config.model
        row.vectors = stored.pop(row.embedder, 0) if row.embedder else 0
        yield Result(row)
    for embedder, count in sorted(stored.items()):
        yield Result(Response(embedder=embedder, vectors=count))


def _row(name: str) -> Response:
    """What is known of a model."""
    if name == registry.BUILT_IN:
        file = lite0_spec.MODEL
        return Response(
            name=name,
            embedder=lite0_spec.ID,
            installed=True,
            dimension=lite0_spec.DIM,
            download_mb=0,
            disk_bytes=file.stat().st_size,
            path=str(file),
        )
    row, entry = Response(name=name), catalogue.UFORM.get(name)
    if entry is not None:
        row.dimension, row.download_mb = entry.dim, entry.megabytes
        row.languages = entry.languages
        if not registry.model_folder(name).is_dir():
            return row
    try:
        folder = registry.uform_folder(name)
    except ConfigError as error:
        row.error = f"{error.message}; {error.remedy}"
        return row
    row.installed, row.embedder = True, folder.id
    row.dimension = folder.image.embedding_dim
    row.disk_bytes, row.path = _size(folder.path), str(folder.path)
    return row


def _size(folder: Path) -> int:
    """Bytes of a model's files."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
