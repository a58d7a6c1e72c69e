"""One file, read once: its digest, and, where the store lacks them, its embedding and traits."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from imgscore.embedders import registry
from imgscore.embedders.filenames import NameEncoder, uform_encoder
from imgscore.errors import ImageError, ImgscoreError, ModelError
from imgscore.failpoints import step
from imgscore.fsutil import open_regular
from imgscore.images import memory
from imgscore.images.decode import decode
from imgscore.images.memory import NeedsMemoryError
from imgscore.store import head_inputs, name_vectors, traits, vectors
from imgscore.store.schema import Fingerprint
from imgscore.workers.messages import FileIndexed, IndexFile, Unreadable, Unstable

if TYPE_CHECKING:
    from imgscore.embedders.base import Embedder
    from imgscore.heads.base import Head
    from imgscore.images.traits import Traits
    from imgscore.store.transaction import Txn
    from imgscore.workers.context import Context

MAX_BYTES = 1 << 29
_CHUNK = 1 << 22

_embedders: dict[tuple[str, str], Embedder] = {}
_heads: dict[str, tuple[str, Head]] = {}
"""of each taste the version last asked for: a long scan sees many, of 15 MB each"""
_name_encoders: dict[str, NameEncoder] = {}


def prepare(context: Context) -> None:
    """Load what the first file will need; what is wrong with it is said then."""
    with contextlib.suppress(ImgscoreError):
        _embedder(context)


def index_file(context: Context, task: IndexFile) -> FileIndexed | Unstable | Unreadable:
    """Read, hash, decode, embed and score the file at `task.path`.

    Raises HeavyImageError or MemoryError where another worker may take more memory.
    """
    try:
        seen, digest, data = _read(task.path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Unstable()
        return Unreadable(f"cannot be read: {error.strerror}", _remedy(error))
    if data is None:
        return Unstable()
    step("after hash")
    if task.stored:
        with context.store.read() as txn:
            stored = vectors.get(txn, context.spec.image_embedder, digest)
            stored_traits = traits.get(txn, digest)
        if stored is not None and stored_traits is not None:
            return _judged(context, task, FileIndexed(seen, digest), stored, stored_traits)
    if len(data) > MAX_BYTES:
        return FileIndexed(
            seen, digest, reason=f"too large: {len(data) >> 20} MB", remedy="move it elsewhere"
        )
    try:
        embedder = _embedder(context)
        picture = decode(data)
        embedding = embedder.embed([picture])[0]
    except ImageError as error:
        if isinstance(error, NeedsMemoryError) and context.low_memory:
            raise
        return FileIndexed(seen, digest, reason=error.message, remedy=error.remedy)
    except MemoryError:
        if context.low_memory:
            raise
        return FileIndexed(
            seen, digest, reason="needs too much memory", remedy="shrink it or move it elsewhere"
        )
    if not np.isfinite(embedding).all():  # a score of NaN has no place in any order
        return FileIndexed(
            seen,
            digest,
            reason="the model's numbers for it are not finite",
            remedy="use another model: imgscore model list",
        )
    vector = embedding.tobytes()
    looked = FileIndexed(seen, digest, vector, picture.traits)
    return _judged(context, task, looked, vector, picture.traits) if task.stored else looked


def _read(path: bytes) -> tuple[Fingerprint, bytes, bytes | None]:
    """(fingerprint, digest, bytes); the bytes are None when the file changed meanwhile."""
    with open_regular(path) as file:
        before = os.fstat(file.fileno())
        data = file.read(min(before.st_size, MAX_BYTES) + 1)
        digest = hashlib.sha256(data)
        size = len(data)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
        after = os.fstat(file.fileno())
    seen = Fingerprint.of_stat(after)
    whole = size == after.st_size and Fingerprint.of_stat(before) == seen
    return seen, digest.digest(), data if whole else None


def _remedy(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "give yourself permission to read it"
    if error.errno == errno.EIO:
        return "the disk fails to deliver it: check the disk"
    return "check the file"


def _embedder(context: Context) -> Embedder:
    key = (context.model, context.device)
    if key not in _embedders:
        try:
            with memory.uncounted(context.low_memory):
                embedder = registry.load(
                    context.model, context.device, lambda note: context.notes.update(device=note)
                )
        except ImgscoreError as error:
            raise ModelError(error.message, error.remedy) from error
        if embedder.id != context.spec.image_embedder:  # vectors of two embedders never meet
            raise ModelError(f"the files of {context.model} have changed", "restart imgscored")
        _embedders[key] = embedder
    return _embedders[key]


def _judged(
    context: Context, task: IndexFile, looked: FileIndexed, vector: bytes, traits: Traits
) -> FileIndexed:
    """What was read, with its score and the vector of the file's name where they are wanted."""
    spec = context.spec
    with context.store.read() as txn:
        name = _new_name(context, txn, task.path)
        fresh = {} if name is None else dict([name])
        row = head_inputs.at_path(txn, spec, looked.digest, vector, task.path, fresh)
    return msgspec.structs.replace(looked, score=_score(context, task, row, traits), name=name)


def _new_name(context: Context, txn: Txn, path: bytes) -> tuple[bytes, bytes] | None:
    """(key, vector) of a file's name, where it is to be kept and the store lacks it."""
    key = name_vectors.key(context.spec.image_embedder, context.spec.name_encoder, path)
    if key is None or name_vectors.get(txn, key) is not None:
        return None
    if context.model not in _name_encoders:
        try:
            with memory.uncounted(context.low_memory):
                encoder = uform_encoder(registry.uform_folder(context.model))
        except ImgscoreError as error:
            raise ModelError(error.message, error.remedy) from error
        _name_encoders[context.model] = encoder
    return key, _name_encoders[context.model]([os.path.basename(path)]).tobytes()


def _score(
    context: Context, task: IndexFile, row: bytes, traits: Traits
) -> tuple[float, float] | None:
    """`row`: what the head sees."""
    if not task.head:
        return None
    from imgscore.heads import files
    from imgscore.heads.extras import extras_of
    from imgscore.paths import head_file

    version, head = _heads.get(task.taste, ("", None))
    if head is None or version != task.head:
        head = files.load(head_file(context.heads_folder, task.taste, task.head))
        _heads[task.taste] = task.head, head
    if head.embedder != context.spec.id:
        return None  # the head is of another embedder; a new one is on its way
    found = head.score(np.frombuffer(row, np.float16)[None], extras_of([traits]))
    return float(found.score[0]), float(found.deviation[0])
