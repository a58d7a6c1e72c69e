"""The inputs of heads: one float16 row for each image.

A row begins with the vector of the image. If the setting `use_filename` is true, the vector of the
file name follows. If a digest has several file names, the mean of the vectors of these names is
used. A name without a stored vector is skipped.
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
from imgscore.store.schema import split_digests
from imgscore.store.transaction import Txn

_NONE: Mapping[bytes, bytes] = {}


def blocks(txn: Txn, spec: Spec) -> Iterator[tuple[bytes, bytes]]:
    """Yield the head inputs of all images in blocks, each block as a pair (digests, rows).

    `digests`: n digests as one bytes object. `rows`: n float16 rows of length `spec.dim`, also as
    one bytes object.
    """
    for digests, values in vectors.blocks(txn, spec.image_embedder):
        if not spec.name_encoder:
            yield digests, values
            continue
        split = split_digests(digests)
        image = np.frombuffer(values, np.float16).reshape(len(split), -1)
        name = np.stack([_name(txn, spec, _paths(txn, digest), _NONE) for digest in split])
        yield digests, np.hstack([image, name]).tobytes()


def get(txn: Txn, spec: Spec, digest: bytes) -> bytes | None:
    """Return the head input of a digest as float16 bytes.

    None means that the digest has no vector.
    """
    vector = vectors.get(txn, spec.image_embedder, digest)
    if vector is None or not spec.name_encoder:
        return vector
    return vector + _name(txn, spec, _paths(txn, digest), _NONE).tobytes()


def get_many(txn: Txn, spec: Spec, digests: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (digest, head input as float16 bytes) for each of the digests that has a vector.

    The pairs are in the order in which the store contains the digests.
    """
    for digest, vector in vectors.get_many(txn, spec.image_embedder, digests):
        if spec.name_encoder:
            yield digest, vector + _name(txn, spec, _paths(txn, digest), _NONE).tobytes()
        else:
            yield digest, vector


def at_path(
    txn: Txn, spec: Spec, digest: bytes, vector: bytes, path: bytes, fresh: Mapping[bytes, bytes]
) -> bytes:
    """Return the head input of an image that was just read from `path`, as float16 bytes.

    `digest`, `vector`: the digest and the vector of the image. `fresh`: vectors of file names, by
    the keys from `name_vectors.key`. These vectors are not stored yet.
    """
    if not spec.name_encoder:
        return vector
    return vector + _name(txn, spec, {*_paths(txn, digest), path}, fresh).tobytes()


def _paths(txn: Txn, digest: bytes) -> set[bytes]:
    """Return the paths of the present files with this digest.

    If all files with this digest are missing, return the former paths of these files.
    """
    paths = {sighting.path: sighting.gone_ns for sighting in sightings.of_digest(txn, digest)}
    return {path for path, gone_ns in paths.items() if not gone_ns} or set(paths)


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
