"""A second scan of 100,000 unchanged files, against `find` looking at the same facts."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator

from bench.figures import Figure, Setting, median_seconds
from bench.house import imgscore, new_house
from imgscore.config import Config
from imgscore.demo.house import House
from imgscore.embedders import registry
from imgscore.engine.catch_up import COMPLETE
from imgscore.engine.scan import scan
from imgscore.images.version import DECODER_VERSION
from imgscore.store import records, sightings
from imgscore.store.schema import Fingerprint, Sighting
from imgscore.store.store import Store, Txn
from imgscore.watches import Watch, Watches

FILES_A_FOLDER = 1000


def measure(setting: Setting) -> Iterator[Figure]:
    """Both with a warm cache: what is measured is the work, not the disk."""
    count, repeats = setting.either((10_000, 3), (100_000, 5))
    house = new_house(setting.scratch / "house")
    imgscore(house, "init", str(house.inbox))
    inbox = os.fsencode(house.inbox)
    watch = Watch(inbox, (os.fsencode(house.keep),), (os.fsencode(house.trash),), "default",
                  "best-newest")  # fmt: skip
    with Store(house.state / "data" / "imgscore" / "store") as store:
        store.commit(lambda txn: _make(txn, house, count))

        def alone() -> None:
            found = list(scan(store, Watches([watch]), inbox, DECODER_VERSION))
            assert not any(part.changed or part.gone for part in found), "not unchanged"

        def find() -> None:
            command = ["find", os.fspath(house.inbox), "-printf", r"%s %T@ %i\n"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        find()
        floor = median_seconds(find, repeats)
        seconds = median_seconds(alone, repeats)
    said = f"{floor:.2f} s, `find -printf '%s %T@ %i'`"
    yield Figure(f"rescan of {count} unchanged files, in a process that is up", f"{seconds:.2f} s",
                 said, seconds / floor)  # fmt: skip
    whole = median_seconds(lambda: imgscore(house, "scan"), repeats)
    yield Figure(f"`imgscore scan` of {count} unchanged files, start to end", f"{whole:.2f} s",
                 said, whole / floor)  # fmt: skip
    shutil.rmtree(house.folder)


def _make(txn: Txn, house: House, count: int) -> None:
    """Tiny distinct pictures and sightings of them, as if each had been embedded."""
    inbox = os.fsencode(house.inbox)
    records.set_setting(txn, COMPLETE, registry.spec(Config().model).id)
    for number in range(count):
        folder = house.inbox / f"{number // FILES_A_FOLDER:03}"
        if number % FILES_A_FOLDER == 0:
            folder.mkdir()
        path, data = folder / f"{number:06}.png", _png(number)
        path.write_bytes(data)
        seen = Fingerprint.of_stat(path.stat())
        digest = hashlib.sha256(data).digest()
        sightings.record(txn, Sighting(os.fsencode(path), seen, digest, inbox, "inbox"))


def _png(number: int) -> bytes:
    """A picture of one pixel, and a number that makes it unique."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0" + number.to_bytes(3, "big"))
    parts = ((b"IHDR", header), (b"IDAT", pixel), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
