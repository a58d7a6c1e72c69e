"""embed: what the store still lacks of an archive's files, and what others have embedded of it.

The work itself is done by the command, with Dask; only what is written passes through here.
"""

import os

import msgspec

from imgscore.engine.engine import Engine
from imgscore.errors import ImgscoreError, StoreError
from imgscore.images.traits import Traits
from imgscore.images.version import DECODER_VERSION
from imgscore.messages import Result
from imgscore.store import sightings, traits, unwatched_files, vectors
from imgscore.store.schema import Fingerprint
from imgscore.store.transaction import Txn
from imgscore.store.unwatched_files import Archived
from imgscore.verbs.base import Steps


class Embedded(msgspec.Struct, forbid_unknown_fields=True):
    """A file that was read elsewhere. `seen`: as it was before."""

    path: str
    seen: Fingerprint
    digest: bytes
    vector: bytes | None = None
    traits: Traits | None = None
    reason: str = ""
    remedy: str = ""


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """`found`: to be written; `listed`: of which to say what is lacking. Bytes are in base64."""

    embedder: str
    found: list[Embedded] = []
    listed: list[tuple[str, Fingerprint]] = []


def run(engine: Engine, request: Request) -> Steps:
    """One row: positions in `listed` to be embedded, and [position, reason, remedy] of failures."""
    ctx = engine.ctx
    if request.embedder != ctx.embedder.image_embedder:
        raise ImgscoreError(
            f"the store is embedded with {ctx.embedder.image_embedder} now, not {request.embedder}",
            "run the command again: it takes the model of the config",
        )
    if request.found:
        if shortage := ctx.shortage:
            raise StoreError(shortage, "free some")
        ctx.store.commit(lambda txn: _take(txn, request))
        ctx.changed()
    lacking: list[int] = []
    failed: list[tuple[int, str, str]] = []
    with ctx.store.read() as txn:
        for position, (name, seen) in enumerate(request.listed):
            known = _known(txn, os.fsencode(name), seen)
            if known is not None and known.reason:
                failed.append((position, known.reason, known.remedy))
            elif known is None or not vectors.contains(txn, request.embedder, known.digest):
                lacking.append(position)
    yield Result({"lacking": lacking, "failed": failed, "error": None})


def _take(txn: Txn, request: Request) -> None:
    new: list[tuple[bytes, bytes]] = []
    for one in request.found:
        decoder = DECODER_VERSION if one.reason else 0
        archived = Archived(one.seen, one.digest, one.reason, one.remedy, decoder)
        unwatched_files.record(txn, os.fsencode(one.path), archived)
        if one.vector is not None:
            new.append((one.digest, one.vector))
        if one.traits is not None:
            traits.record(txn, one.digest, one.traits)
    vectors.append(txn, request.embedder, new)


def _known(txn: Txn, path: bytes, seen: Fingerprint) -> Archived | None:
    """What was found in the file as it is now: by `embed`, or because it is watched."""
    known = unwatched_files.find(txn, path)
    if known is not None and known.seen == seen and known.decoder in (0, DECODER_VERSION):
        return known
    sighting = sightings.find(txn, path)
    if sighting is not None and sighting.seen == seen and not sighting.gone_ns:
        return Archived(seen, sighting.digest)
    return None
