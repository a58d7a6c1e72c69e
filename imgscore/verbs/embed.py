"""The verb `embed`: store embeddings from Dask workers, and find files without an embedding.

The command `imgscore embed` embeds files with Dask. The command calls this verb to read and write
the store.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import msgspec

from imgscore.errors import ImgscoreError, StoreError, UsageError
from imgscore.images.traits import Traits
from imgscore.images.version import DECODER_VERSION
from imgscore.messages import MAX_ITEMS, BaseRequest, PathText, Result, ShortText
from imgscore.store import sightings, traits, unwatched_files, vectors
from imgscore.store.schema import Fingerprint
from imgscore.store.unwatched_files import UnwatchedFile
from imgscore.verbs.base import Steps

if TYPE_CHECKING:
    from imgscore.engine.engine import Engine
    from imgscore.store.transaction import Txn


class EmbeddedFile(msgspec.Struct, forbid_unknown_fields=True):
    """A file that a Dask worker read.

    `seen`: the fingerprint of the file, taken before the worker read the file.
    """

    path: PathText
    seen: Fingerprint
    digest: bytes
    vector: bytes | None = None
    traits: Traits | None = None
    reason: str = ""
    remedy: str = ""


class KnownFailure(msgspec.Struct, array_like=True):
    """A file in the list of the request that has failed earlier and has not changed since then."""

    position: int
    """the position of the file in the field `listed` of the request"""
    reason: str
    """the problem with the file"""
    remedy: str
    """a remedy for the problem; may be empty"""


class Response(msgspec.Struct):
    """The answer about the files in the field `listed` of the request."""

    lacking: list[int]
    """the files that have no embedding yet, as positions in the field `listed` of the request"""
    failed: list[KnownFailure]
    """the files that could not be embedded earlier, and have not changed since then"""
    error: str | None = None
    """always null"""


class Request(BaseRequest[Response]):
    """`found`: the files whose results are stored. `listed`: the files to look up in the store.

    In JSON, bytes are written in base64.
    """

    embedder: ShortText
    found: Annotated[tuple[EmbeddedFile, ...], msgspec.Meta(max_length=MAX_ITEMS)] = ()
    listed: Annotated[
        tuple[tuple[PathText, Fingerprint], ...], msgspec.Meta(max_length=MAX_ITEMS)
    ] = ()


def run(engine: Engine, request: Request) -> Steps[Response]:
    """Store the results of `found`, and yield one Response about the files of `listed`."""
    ctx = engine.ctx
    if request.embedder != ctx.embedder.image_embedder:
        raise ImgscoreError(
            f"the model in use is {ctx.embedder.image_embedder} now, not {request.embedder}",
            "run the command again: it uses the model of the config",
        )
    for file in request.found:
        if not _is_possible(file, ctx.embedder.image_dim):
            raise UsageError(
                f"embed: the values of {file.path} are not those of an image",
                "run the command again, with the same version of imgscore on all machines",
            )
    if request.found:
        if shortage := ctx.shortage:
            raise StoreError(shortage, "free some disk space")
        ctx.store.commit(lambda txn: _record(txn, request))
        ctx.changed()
    lacking: list[int] = []
    failed: list[KnownFailure] = []
    with ctx.store.read() as txn:
        for position, (name, seen) in enumerate(request.listed):
            known = _known(txn, os.fsencode(name), seen)
            if known is not None and known.reason:
                failed.append(KnownFailure(position, known.reason, known.remedy))
            elif known is None or not vectors.contains(txn, request.embedder, known.digest):
                lacking.append(position)
    yield Result(Response(lacking, failed))


def _is_possible(file: EmbeddedFile, dim: int) -> bool:
    from imgscore.workers import answer_checks
    from imgscore.workers.messages import FileFailure, FileIndexed

    failure = FileFailure(file.reason, file.remedy)
    answer = FileIndexed(file.seen, file.digest, file.vector, file.traits, failure=failure)
    return answer_checks.is_file(answer, dim)


def _record(txn: Txn, request: Request) -> None:
    new: list[tuple[bytes, bytes]] = []
    for file in request.found:
        decoder = DECODER_VERSION if file.reason else 0
        record = UnwatchedFile(file.seen, file.digest, file.reason, file.remedy, decoder)
        unwatched_files.record(txn, os.fsencode(file.path), record)
        if file.vector is not None:
            new.append((file.digest, file.vector))
        if file.traits is not None:
            traits.record(txn, file.digest, file.traits)
    vectors.append(txn, request.embedder, new)


def _known(txn: Txn, path: bytes, seen: Fingerprint) -> UnwatchedFile | None:
    """Return the record of a file in the store, or None if there is no record.

    The record comes from an earlier call of this verb, or from the sighting of a watched file.
    Return None if the file has changed since the record was written.
    """
    known = unwatched_files.find(txn, path)
    if known is not None and known.seen == seen and known.decoder in (0, DECODER_VERSION):
        return known
    sighting = sightings.find(txn, path)
    if sighting is not None and sighting.seen == seen and not sighting.gone_ns:
        return UnwatchedFile(seen, sighting.digest)
    return None
