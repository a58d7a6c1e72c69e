"""The vectors of the file names of images, for heads that measure the weight of names.

A name is the path of a file below its inbox: the names of subfolders count, too. The vectors are
hashes of the words in a name. They are not stored, but computed whenever they are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.filename_spec import HASHED_DIM, words
from imgscore.embedders.filenames import hash_names
from imgscore.store import sightings
from imgscore.store.transaction import Txn
from imgscore.watches import name_below

_NONE: Mapping[bytes, bytes] = {}


def vectors_of(
    txn: Txn, digests: Iterable[bytes], more: Mapping[bytes, bytes] = _NONE
) -> NDArray[np.float32]:
    """Return the vector of the file names of each digest, float32 [n, HASHED_DIM].

    `more`: further names by digest, of files that are not in the store yet. If a digest has several
    names, the result is the mean of their vectors. If it has none, the result is zero.
    """
    names = [_names(txn, digest, more.get(digest)) for digest in digests]
    # Many names have equal words, such as IMG_0001 and IMG_0002. Hash equal words only once.
    keys = {name: words(name) for files in names for name in files}
    distinct = {key: name for name, key in keys.items()}
    numbers = {key: number for number, key in enumerate(distinct)}
    hashed = hash_names(list(distinct.values())).astype(np.float32)
    result = np.zeros((len(names), HASHED_DIM), np.float32)
    for row, files in zip(result, names, strict=True):
        if files:
            row[:] = hashed[[numbers[keys[name]] for name in files]].mean(axis=0)
    return result


def _names(txn: Txn, digest: bytes, further: bytes | None) -> set[bytes]:
    """Return the names of the files with this digest, and the name `further` if it is not None.

    The names of missing files count if they were in an inbox, because a file in a label folder is
    no longer in its subfolder of the inbox.
    """
    files = list(sightings.of_digest(txn, digest))
    chosen = [file for file in files if not file.gone_ns or file.role == "inbox"] or files
    names = {name_below(file.inbox, file.role, file.path) for file in chosen}
    return names if further is None else names | {further}
