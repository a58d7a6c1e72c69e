"""The vectors of the file names of images."""

from pathlib import Path

import numpy as np

from imgscore.embedders.filenames import hash_names
from imgscore.store import file_names, sightings
from imgscore.store.schema import Fingerprint, Sighting
from imgscore.store.store import Store

SEEN = Fingerprint(1, 1, 1, 1, 1)
ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))


def test_vectors_of_names_include_subfolders_but_no_label_folder(tmp_path: Path) -> None:
    inbox = b"/pictures"
    files = [
        Sighting(b"/pictures/sea trip/boat.jpg", SEEN, ONE, inbox, "inbox", gone_ns=5),
        Sighting(b"/pictures/keep/boat.jpg", SEEN, ONE, inbox, "keep"),
        Sighting(b"/elsewhere/trash/IMG_1.jpg", SEEN, TWO, inbox, "trash"),
        Sighting(b"/elsewhere/trash/old.jpg", SEEN, TWO, inbox, "trash", gone_ns=5),
    ]
    with Store(tmp_path / "store") as store:
        store.commit(lambda txn: [sightings.record(txn, file) for file in files])
        with store.read() as txn:
            found = file_names.vectors_of(txn, [ONE, TWO, THREE])
            more = file_names.vectors_of(txn, [THREE, TWO], {THREE: b"IMG_2.jpg"})
    one = hash_names([b"sea trip/boat.jpg", b"boat.jpg"]).astype(np.float32).mean(axis=0)
    two = hash_names([b"IMG_1.jpg"])[0].astype(np.float32)
    assert np.array_equal(found, np.stack([one, two, np.zeros(256, np.float32)]))
    assert np.array_equal(more, np.stack([two, two]))  # IMG_1 and IMG_2 have equal words
