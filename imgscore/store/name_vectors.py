"""File names as vectors, by what a name says, apart from the images': names belong to files.

Only names whose vector costs something are here; hashed ones are made when they are needed.
"""

import hashlib
import os

from imgscore.embedders.filename_spec import HASHED_ENCODER, words
from imgscore.store.transaction import Txn

_PREFIX = 8


def key(embedder: str, encoder: str, path: bytes) -> bytes | None:
    """24 bytes for a file's name under an image embedder and its name encoder.

    None where there is none, or where a vector costs too little to be kept.
    """
    if encoder in ("", HASHED_ENCODER):
        return None
    said = words(os.path.basename(path))
    rest = hashlib.blake2b(f"{encoder}\0{said}".encode(), digest_size=16).digest()
    return _prefix(embedder) + rest


def put(txn: Txn, key: bytes, vector: bytes) -> None:
    """Write a name's float16 vector."""
    txn.table("names").put(key, vector)


def get(txn: Txn, key: bytes) -> bytes | None:
    """A name's float16 vector."""
    return txn.table("names").get(key)


def drop(txn: Txn, embedder: str) -> None:
    """Delete every name's vector of an embedder."""
    txn.table("names").delete_all(_prefix(embedder))


def _prefix(embedder: str) -> bytes:
    return hashlib.blake2b(embedder.encode(), digest_size=_PREFIX).digest()
