"""The records of an image that can be computed again from its file.

These are its vectors, traits, scores, links to other images, group and quality.
They are deleted when the image has been gone for long (see `retention`). The records that no file
contains stay: labels, answers to comparisons, original dates and the journal.
"""

from collections.abc import Iterable

from imgscore.store import groups, qualities, scores, similarity, traits, vectors
from imgscore.store.transaction import Txn


def forget(txn: Txn, digests: set[bytes], index_keys: Iterable[bytes]) -> None:
    """Delete these records of images.

    `index_keys`: the keys of the images in the index for groups, from `similarity.keys_of`.
    """
    if not digests:
        return
    vectors.forget(txn, digests)
    groups.replace(txn, digests, [])
    similarity.forget(txn, digests, index_keys)
    scores.forget_images(txn, digests)
    for digest in digests:
        traits.forget(txn, digest)
        qualities.forget(txn, digest)
