"""Find the inodes of an inbox that another place shares. An order does not set their dates."""

from collections.abc import Iterable

from imgscore.reconcile import hard_links
from imgscore.reconcile.hard_links import Inode
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store.schema import Sighting
from imgscore.watches import Watch


def shared_inodes(
    watch: Watch, names: dict[Inode, list[bytes]], others: Iterable[Sighting]
) -> set[Inode]:
    """Return the inodes whose names in the inbox are left out of its order.

    Hard links are several names of one inode, and they share one date. If an inode also has a name
    in a keep or trash folder, it is left out. If an inode has names in several inboxes, it belongs
    to the inbox whose path sorts first. If an inode has a name outside of all watched folders, it
    belongs to no inbox.

    `names`: the names of each inode in the inbox; the function adds the other names. `others`: the
    sightings of these inodes outside of the inbox.
    """
    elsewhere: dict[Inode, bytes] = {}
    for other in others:
        inode = other.seen.dev, other.seen.ino
        names[inode].append(other.path)
        if other.role != "inbox" or other.inbox < watch.inbox:
            elsewhere[inode] = other.path
    outside = hard_links.linked_outside(names)
    return outside | {inode for inode, path in elsewhere.items() if _is_inode(path, *inode)}


def _is_inode(path: bytes, device: int, inode: int) -> bool:
    fingerprint = fingerprint_of(path)
    return fingerprint is not None and (fingerprint.dev, fingerprint.ino) == (device, inode)
