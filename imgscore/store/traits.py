"""The traits of images (width, height, format, camera …) and their fine grids, by digest."""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from operator import itemgetter

import msgspec

from imgscore.images.traits import Traits
from imgscore.store.schema import pack
from imgscore.store.transaction import Txn

_decoder = msgspec.msgpack.Decoder(Traits)


class ShownTraits(msgspec.Struct, frozen=True):
    """The traits that a page shows, as in Traits. To decode only these takes half of the time."""

    width: int = 0
    height: int = 0
    format: str = ""
    camera: str = ""
    taken: str = ""
    grid: bytes = b""


_shown_decoder = msgspec.msgpack.Decoder(ShownTraits)
_NO_TRAITS = msgspec.msgpack.encode({})


def record(txn: Txn, digest: bytes, traits: Traits) -> None:
    """Write the traits of a digest."""
    record_all(txn, [(digest, traits)])


def record_all(txn: Txn, described: Iterable[tuple[bytes, Traits]]) -> None:
    """Write the traits of digests. A fine grid is large, and gets a record of its own."""
    values: list[tuple[bytes, bytes]] = []
    grids: list[tuple[bytes, bytes]] = []
    for digest, traits in sorted(described, key=itemgetter(0)):
        if traits.fine_grid:
            grids.append((digest, traits.fine_grid))
            traits = msgspec.structs.replace(traits, fine_grid=b"")  # noqa: PLW2901
        values.append((digest, pack(traits)))
    txn.table("traits").put_many(values)
    txn.table("fine_grids").put_many(grids)


def fine_grid(txn: Txn, digest: bytes) -> bytes:
    """Return the fine grid of a digest; b"" if an older version of imgscore stored its traits."""
    return txn.table("fine_grids").get(digest) or b""


def get(txn: Txn, digest: bytes) -> Traits | None:
    """Return the traits of a digest. None means that no traits are stored."""
    value = txn.table("traits").get(digest)
    return None if value is None else _decoder.decode(value)


def getter(txn: Txn) -> Callable[[bytes], Traits | None]:
    """Return a function that is faster than `get` for many digests."""
    get_value, decode = txn.table("traits").getter(), _decoder.decode

    def get_traits(digest: bytes) -> Traits | None:
        value = get_value(digest, b"")
        return decode(value) if value else None

    return get_traits


def shown(txn: Txn, digests: Iterable[bytes]) -> list[ShownTraits]:
    """Return the shown traits of each digest; the defaults if no traits are stored."""
    get_value = txn.table("traits").getter()
    return list(map(_shown_decoder.decode, map(get_value, digests, repeat(_NO_TRAITS))))


def iter_all(txn: Txn) -> Iterator[tuple[bytes, Traits]]:
    """Yield (digest, traits) for each digest that has traits."""
    for key, value in txn.table("traits").scan():
        yield key, _decoder.decode(value)


def forget(txn: Txn, digest: bytes) -> None:
    """Delete the traits of a digest, and its fine grid."""
    txn.table("traits").delete(digest)
    txn.table("fine_grids").delete(digest)
