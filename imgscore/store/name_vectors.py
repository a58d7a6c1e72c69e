"""The vectors of file names. A vector depends only on the words in the file name.

If a model computes the vector, the vector is stored. If the vector consists of hashes of the words,
it is not stored. It is computed whenever it is needed.
"""

import hashlib
import os

from imgscore.embedders.filename_spec import HASHED_ENCODER, words
from imgscore.store.transaction import Txn

# The number of bytes at the beginning of each key. These bytes identify the embedder.
_PREFIX = 8


def key(embedder: str, encoder: str | None, path: bytes) -> bytes | None:
    """Return the key (24 bytes) under which the vector of the file name in `path` is stored.

    `embedder`: the id of the embedder of images. `encoder`: the id of the encoder of file names, or
    None if there is no encoder. The key depends on both ids and on the words in the file name.
    Returns None if the vectors of this encoder are not stored.
    """
    if encoder in (None, HASHED_ENCODER):
        return None
    text = words(os.path.basename(path))
    rest = hashlib.blake2b(f"{encoder}\0{text}".encode(), digest_size=16).digest()
    return _prefix(embedder) + rest


def put(txn: Txn, key: bytes, vector: bytes) -> None:
    """Write the float16 vector of a file name. `key`: the result of the function `key`."""
    txn.table("names").put(key, vector)


def get(txn: Txn, key: bytes) -> bytes | None:
    """Return the float16 vector of a file name. None means that no vector is stored."""
    return txn.table("names").get(key)


def drop(txn: Txn, embedder: str) -> None:
    """Delete the vectors of all file names that are stored for this embedder."""
    txn.table("names").delete_all(_prefix(embedder))


def _prefix(embedder: str) -> bytes:
    return hashlib.blake2b(embedder.encode(), digest_size=_PREFIX).digest()
