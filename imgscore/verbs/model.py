"""The verb `model`: list the models, with their state and the number of their stored vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from imgscore.embedders import catalogue, lite0_spec, registry
from imgscore.embedders.licence import licence_of
from imgscore.errors import ConfigError
from imgscore.messages import BaseRequest, Result
from imgscore.verbs.base import Steps

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine


class Response(msgspec.Struct):
    """A model, or an embedder that has vectors in the store but no known model."""

    name: str | None = None
    """the name of the model; null if the model of the embedder is not known"""
    embedder: str | None = None
    """the id of the model's embedder; null if the model is not downloaded"""
    installed: bool = False
    """true if the model can be used now"""
    in_use: bool = False
    """true if the config contains the name of this model"""
    dimension: int | None = None
    """the length of a vector of the model; null if the length is not known"""
    download_mb: int | None = None
    """the size of the download in megabytes; 0 if none is needed; null if it is not known"""
    disk_bytes: int = 0
    """the size of the model's files in bytes"""
    vectors: int = 0
    """the number of vectors in the store that the model made"""
    languages: str | None = None
    """the languages that the model's text encoder can read; null if they are not known"""
    search: bool | None = None
    """true if the model can search by words; null if the model is not downloaded"""
    licence: str | None = None
    """the licence that the model's folder states; null if it states none"""
    path: str | None = None
    """the folder of the model's files; null if the model is not downloaded"""
    error: str | None = None
    """the reason why the model cannot be used, and a remedy; null if it can be used"""


class Request(BaseRequest[Response]):
    """This request has no arguments."""


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Yield a Response for each model, and for each other embedder whose vectors are stored."""
    from imgscore.store import vectors

    ctx = engine.ctx
    with ctx.store.read() as txn:
        stored = {name: record.count for name, record in vectors.embedders(txn).items()}
    names = [registry.BUILT_IN, *catalogue.UFORM, *registry.downloaded()]
    if ctx.config.model not in names:
        names.append(ctx.config.model)
    for row in [_row(name) for name in names]:
        row.in_use = row.name == ctx.config.model
        row.vectors = stored.pop(row.embedder, 0) if row.embedder else 0
        yield Result(row)
    for embedder, count in sorted(stored.items()):
        yield Result(Response(embedder=embedder, vectors=count))


def _row(name: str) -> Response:
    """Return the Response for a model. The caller must then set `in_use` and `vectors`."""
    if name == registry.BUILT_IN:
        file = lite0_spec.MODEL
        installed = file.exists()
        return Response(
            name=name,
            embedder=lite0_spec.ID,
            installed=installed,
            dimension=lite0_spec.DIM,
            search=False,
            licence="Apache-2.0",
            download_mb=0,
            disk_bytes=file.stat().st_size if installed else 0,
            path=str(file),
            error=None if installed else f"the file is missing; {lite0_spec.MISSING}",
        )
    row, entry = Response(name=name), catalogue.UFORM.get(name)
    if entry is not None:
        row.dimension, row.download_mb = entry.dim, entry.megabytes
        row.languages = entry.languages
        if not registry.model_folder(name).is_dir():
            return row
    try:
        folder = registry.open_model(name)
    except ConfigError as error:
        row.error = f"{error.message}; {error.remedy}"
        return row
    row.installed, row.embedder = True, folder.id
    row.dimension, row.search = folder.dim, folder.has_text
    row.licence = licence_of(folder.path)
    row.disk_bytes, row.path = _size(folder.path), str(folder.path)
    return row


def _size(folder: Path) -> int:
    """Return the total size of the files in a folder, in bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
