"""Digests by place, read off the bytes of sightings."""

from collections import Counter
from pathlib import Path

from imgscore.store import sightings
from imgscore.store.schema import Fingerprint, Sighting
from imgscore.store.store import Store, Txn
from imgscore.watches import Role


def test_they_are_those_of_the_decoded_sightings(tmp_path: Path) -> None:
    places: list[tuple[bytes, Role]] = [
        (b"/in", "inbox"),
        (b"/in", "keep"),
        (b"/other/in", "inbox"),
        (b"/" + b"long" * 90, "inbox"),
    ]

    def know(txn: Txn) -> None:
        for number in range(200):
            inbox, role = places[number % 4]
            gone_ns = number << 8 if number % 7 == 0 else 0  # some of them end in a zero byte
            seen = Fingerprint(1, number, 2**33 + number, 10**18 + number, 10**18)
            digest = number.to_bytes(32, "big")
            sightings.record(txn, Sighting(b"/%d.png" % number, seen, digest, inbox, role, gone_ns))

    with Store(tmp_path / "store") as store:
        store.commit(know)
        with store.read() as txn:
            found = Counter(sightings.digests(txn, places[:3]))
            expected = Counter(
                ((one.inbox, one.role), one.digest)
                for one in sightings.every(txn)
                if (one.inbox, one.role) in places[:3]
            )
    assert found == expected and 100 < sum(found.values()) < 150
