"""Vectors of file names, by the words of the name.

Only vectors that a model computes are stored; hashed ones are computed when they are needed.
"""

import hashlib
import os

from imgscore.embedders.filename_spec import HASHED_ENCODER, words
from imgscore.store.transaction import Txn

_PREFIX = 8  # bytes of a key that stand for the embedder


def key(embedder: str, encoder: str | None, path: bytes) -> bytes | None:
    """Return the 24-byte key of a file's name under an image embedder and its name encoder.

    None if no encoder is set, or if its vectors are not stored.
    """
    if encoder in (None, HASHED_ENCODER):
        return None
    text = words(os.path.basename(path))
    rest = hashlib.blake2b(f"{encoder}\0{text}".encode(), digest_size=16).digest()
    return _prefix(embedder) + rest


def put(txn: Txn, key: bytes, vector: bytes) -> None:
    """Write the float16 vector of a name."""
    txn.table("names").put(key, vector)


def get(txn: Txn, key: bytes) -> bytes | None:
    """Return the float16 vector of a name."""
    return txn.table("names").get(key)


def drop(txn: Txn, embedder: str) -> None:
    """Delete the vectors of all names under an embedder."""
    txn.table("names").delete_all(_prefix(embedder))


def _prefix(embedder: str) -> bytes:
    return hashlib.blake2b(embedder.encode(), digest_size=_PREFIX).digest()
