"""What a head sees of an image: its vector and, where the config says so, its file's name.

A digest that lies under several names is judged by their mean. A name whose vector is not there
yet counts as none.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.filename_spec import HASHED_ENCODER
from imgscore.embedders.filenames import hash_names
from imgscore.embedders.registry import Spec
from imgscore.store import name_vectors, sightings, vectors
from imgscore.store.schema import DIGEST_SIZE
from imgscore.store.transaction import Txn

_NONE: Mapping[bytes, bytes] = {}


def blocks(txn: Txn, spec: Spec) -> Iterator[tuple[bytes, bytes]]:
    """(n digests end to end, n float16 rows of spec.dim end to end), block by block."""
    for digests, values in vectors.blocks(txn, spec.image_embedder):
        if not spec.name_encoder:
            yield digests, values
            continue
        ones = [digests[at : at + DIGEST_SIZE] for at in range(0, len(digests), DIGEST_SIZE)]
        image = np.frombuffer(values, np.float16).reshape(len(ones), -1)
        name = np.stack([_name(txn, spec, _paths(txn, one), _NONE) for one in ones])
        yield digests, np.hstack([image, name]).tobytes()


def get(txn: Txn, spec: Spec, digest: bytes) -> bytes | None:
    """The float16 row of one digest; None where it has no vector."""
    vector = vectors.get(txn, spec.image_embedder, digest)
    if vector is None or not spec.name_encoder:
        return vector
    return vector + _name(txn, spec, _paths(txn, digest), _NONE).tobytes()


def several(txn: Txn, spec: Spec, digests: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(digest, float16 row) of those that have a vector, as they lie in the store."""
    for digest, vector in vectors.several(txn, spec.image_embedder, digests):
        if spec.name_encoder:
            yield digest, vector + _name(txn, spec, _paths(txn, digest), _NONE).tobytes()
        else:
            yield digest, vector


def at_path(
    txn: Txn, spec: Spec, digest: bytes, vector: bytes, path: bytes, fresh: Mapping[bytes, bytes]
) -> bytes:
    """The float16 row of a digest that has just been seen at `path`; `fresh`: names by key."""
    if not spec.name_encoder:
        return vector
    return vector + _name(txn, spec, {*_paths(txn, digest), path}, fresh).tobytes()


def _paths(txn: Txn, digest: bytes) -> set[bytes]:
    """Where a digest is; where it was, if it is nowhere now."""
    found = sightings.of_digest(txn, digest)
    return {one.path for one in found if not one.gone_ns} or {one.path for one in found}


def _name(
    txn: Txn, spec: Spec, paths: Iterable[bytes], fresh: Mapping[bytes, bytes]
) -> NDArray[np.float16]:
    section = spec.sections[-1]
    rows: list[NDArray[np.float16]] = []
    if spec.name_encoder == HASHED_ENCODER:
        rows = list(hash_names([os.path.basename(path) for path in paths]))
    else:
        for path in paths:
            key = name_vectors.key(spec.image_embedder, spec.name_encoder, path) or b""
            value = fresh.get(key) or name_vectors.get(txn, key)
            if value is not None:
                rows.append(np.frombuffer(value, np.float16))
    if not rows:
        return np.zeros(section.stop - section.start, np.float16)
    mean: NDArray[np.float32] = np.mean(rows, axis=0, dtype=np.float32)
    return mean.astype(np.float16)
