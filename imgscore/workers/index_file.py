"""Index one file: read and hash it, then embed and score the image.

The file is read only once. An image whose embedding is already in the store is not embedded again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgscore.errors import ImageError, ImgscoreError
from imgscore.failpoints import step
from imgscore.fsutil import open_regular
from imgscore.images.decode import decode
from imgscore.images.decode_errors import IncompleteImageError
from imgscore.images.memory import NeedsMemoryError
from imgscore.store import file_names, head_inputs, name_vectors, traits, vectors
from imgscore.store.schema import Fingerprint
from imgscore.workers.messages import FileFailure, FileIndexed, IndexFile, Unreadable, Unstable

if TYPE_CHECKING:
    from imgscore.images.traits import Traits
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context

MAX_BYTES = 1 << 29
"""The size in bytes of the largest file that is decoded. The process keeps the whole content of
such a file in memory."""
_READ_BYTES = 1 << 22
"""The number of bytes that are read at a time after the first MAX_BYTES of a file. These bytes are
only hashed, because a file that is larger than MAX_BYTES is not decoded."""


def prepare(context: Context) -> None:
    """Load the embedder before the first file is sent.

    If the embedder cannot be loaded, ignore the error here. The task for the first file will load
    the embedder again and report the error.
    """
    with contextlib.suppress(ImgscoreError):
        _ = context.embedder


class Prepared(NamedTuple):
    """An image that has been read and decoded, but not embedded.

    `inputs`: the inputs of the network, uint8 [n, h, w, 3].
    """

    seen: Fingerprint
    digest: bytes
    traits: Traits
    inputs: NDArray[np.uint8]


Indexed = FileIndexed | Unstable | Unreadable


def index_file(context: Context, task: IndexFile) -> Indexed:
    """Read, hash, decode, embed and score the file at `task.path`.

    In a low-memory worker, raises NeedsMemoryError or MemoryError if the image needs more memory
    than the worker may use.
    """
    prepared = prepare_file(context, task)
    if not isinstance(prepared, Prepared):
        return prepared
    return embed_here(context, task, prepared)


def prepare_file(context: Context, task: IndexFile) -> Prepared | Indexed:
    """Read, hash and decode the file at `task.path`.

    If the file cannot be read or decoded, or if its embedding is in the store, return the answer to
    the task. Raises the errors of `index_file`.
    """
    try:
        seen, digest, data = _read(task.path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Unstable()
        if error.errno == errno.ELOOP:
            return Unreadable("is a symbolic link", "give the file that the link points to")
        return Unreadable(f"cannot be read: {error.strerror}", _remedy(error))
    if data is None:
        return Unstable()
    step("after hash")
    if task.stored:
        with context.store.read() as txn:
            vector = vectors.get(txn, context.spec.image_embedder, digest)
            stored_traits = traits.get(txn, digest)
        if vector is not None and stored_traits is not None:
            return _add_score(context, task, FileIndexed(seen, digest), vector, stored_traits)
    if len(data) > MAX_BYTES:
        failure = FileFailure(f"too large: {len(data) >> 20} MB", "move the file elsewhere")
        return FileIndexed(seen, digest, failure=failure)
    preprocessor = context.preprocessor
    whole_ns = seen.ctime_ns + int(task.incomplete_seconds * 1e9)
    try:
        picture = decode(data, preprocessor.min_side, settled=time.time_ns() >= whole_ns)
        return Prepared(seen, digest, picture.traits, preprocessor.inputs(picture))
    except ImageError as error:
        if isinstance(error, NeedsMemoryError) and context.low_memory:
            raise
        # A program may still write the file. Read it again when it has not changed for a while.
        waits = isinstance(error, IncompleteImageError) and time.time_ns() < whole_ns
        retry_ns = whole_ns if waits else 0
        failure = FileFailure(error.message, error.remedy, retry_ns)
        return FileIndexed(seen, digest, failure=failure)
    except MemoryError:
        return _without_memory(context, seen, digest)


def embed_here(context: Context, task: IndexFile, prepared: Prepared) -> FileIndexed:
    """Embed and score an image in this process, and return the answer to the task."""
    embedder = context.embedder
    try:
        embedding = embedder.embed_inputs(prepared.inputs)
    except MemoryError:
        return _without_memory(context, prepared.seen, prepared.digest)
    return finish(context, task, prepared, embedding)


def _without_memory(context: Context, seen: Fingerprint, digest: bytes) -> FileIndexed:
    """Return the answer if memory runs out, or raise MemoryError in a low-memory worker."""
    if context.low_memory:
        raise MemoryError
    failure = FileFailure("needs too much memory", "shrink the image, or move it elsewhere")
    return FileIndexed(seen, digest, failure=failure)


def finish(
    context: Context, task: IndexFile, prepared: Prepared, embedding: NDArray[np.float16]
) -> FileIndexed:
    """Score an image whose vector has been computed, and return the answer to the task."""
    seen, digest = prepared.seen, prepared.digest
    # The score of an embedding with NaN or infinity would be NaN. An image with the score NaN
    # cannot be sorted.
    if not np.isfinite(embedding).all():
        failure = FileFailure(
            "the model gives numbers that are not finite for this image",
            "use another model: imgscore model list",
        )
        return FileIndexed(seen, digest, failure=failure)
    vector = embedding.tobytes()
    indexed = FileIndexed(seen, digest, vector, prepared.traits)
    return _add_score(context, task, indexed, vector, prepared.traits) if task.stored else indexed


def _read(path: bytes) -> tuple[Fingerprint, bytes, bytes | None]:
    """Read a file, and return its fingerprint, digest and content.

    The content is at most MAX_BYTES + 1 bytes long. It is None if the file changed during the read.
    """
    with open_regular(path) as file:
        before = os.fstat(file.fileno())
        data = file.read(min(before.st_size, MAX_BYTES) + 1)
        digest = hashlib.sha256(data)
        size = len(data)
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
            size += len(chunk)
        after = os.fstat(file.fileno())
    seen = Fingerprint.of_stat(after)
    is_whole = size == after.st_size and Fingerprint.of_stat(before) == seen
    return seen, digest.digest(), data if is_whole else None


def _remedy(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "give yourself permission to read the file"
    if error.errno == errno.EIO:
        return "the disk cannot read the file: check the disk"
    return "check the file"


def _add_score(
    context: Context, task: IndexFile, indexed: FileIndexed, vector: bytes, image_traits: Traits
) -> FileIndexed:
    """Return a copy of `indexed` with the score of the image.

    The copy also has the vector of the file name if the store lacks this vector.
    """
    spec = context.spec
    with context.store.read() as txn:
        name = _new_name(context, txn, task.path)
        fresh = {} if name is None else dict([name])
        row = head_inputs.at_path(txn, spec, indexed.digest, vector, task.path, fresh)
        score = _score(context, txn, task, indexed.digest, row, image_traits)
    return msgspec.structs.replace(indexed, score=score, name=name)


def _new_name(context: Context, txn: Txn, path: bytes) -> tuple[bytes, bytes] | None:
    """Return the vector of a file name as (key, vector). `key` is the key of the vector in the
    store.

    Return None if the embedder does not use file names, or if the store already has the vector.
    """
    key = name_vectors.key(context.spec.image_embedder, context.spec.name_encoder, path)
    if key is None or name_vectors.get(txn, key) is not None:
        return None
    return key, context.name_encoder([os.path.basename(path)]).tobytes()


def _score(
    context: Context,
    txn: Txn,
    task: IndexFile,
    digest: bytes,
    row: bytes,
    image_traits: Traits,
) -> tuple[float, float] | None:
    """Return the (score, deviation) that the head `task.head` gives to an image.

    Return None if the task names no head, or if the head was trained for another embedder.

    `row`: the input vector of the head, as bytes.
    """
    if task.head is None:
        return None
    from imgscore.heads.extras import extras_of

    head = context.head(task.taste, task.head)
    if head.embedder != context.spec.id:
        return None  # The head was trained for another embedder.
    numbers = extras_of([image_traits])
    if head.uses_names:
        name = os.path.basename(task.path) if task.name is None else task.name
        names = file_names.vectors_of(txn, [digest], {digest: name})
        numbers = np.hstack([numbers, names])
    scores = head.score(np.frombuffer(row, np.float16)[None], numbers)
    score, deviation = float(scores.score[0]), float(scores.deviation[0])
    # If a head is damaged, the task Rescore reports it.
    return (score, deviation) if np.isfinite((score, deviation)).all() else None
