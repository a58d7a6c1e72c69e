"""The vectors of file names. The words of a name determine its vector.

Only vectors from a model are stored. Hashed vectors are computed whenever they are needed.
"""

import hashlib
import os

from imgscore.embedders.filename_spec import HASHED_ENCODER, words
from imgscore.store.transaction import Txn

# The number of bytes in a key that identify the embedder.
_PREFIX = 8


def key(embedder: str, encoder: str | None, path: bytes) -> bytes | None:
    """Return the 24-byte key of the vector of a file's name.

    The key depends on the image embedder, on its name encoder and on the words of the name. None
    means that there is no name encoder, or that the vectors of the encoder are not stored.
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
    """Return the float16 vector of a name. None means that no vector is stored."""
    return txn.table("names").get(key)


def drop(txn: Txn, embedder: str) -> None:
    """Delete the vectors of all names under an embedder."""
    txn.table("names").delete_all(_prefix(embedder))


def _prefix(embedder: str) -> bytes:
    return hashlib.blake2b(embedder.encode(), digest_size=_PREFIX).digest()
