"""The facts that the doctor reads from the store, beside a daemon and with a damaged store."""

import os
import time
from pathlib import Path

from imgscore import paths
from tests.conftest import put
from tests.support.commands import imgscore


def finding(check: str) -> dict[str, str] | None:
    """The first finding of a check, or None."""
    rows = imgscore("doctor", "--json").rows
    return next((row for row in rows if row["check"] == check), None)


def test_doctor_names_the_files_with_hard_links_outside(inbox: Path, tmp_path: Path) -> None:
    (image,) = put(inbox, "sun", 1)
    assert imgscore("scan").code == 0
    assert finding("hard links") is None
    os.link(image, tmp_path / "archive.png")
    assert imgscore("scan").code == 0
    found = finding("hard links")
    assert found is not None and found["detail"].startswith(f"1 file in {inbox} with a hard link")
    assert found["state"] == "warning" and found["remedy"]


def test_doctor_finds_a_clock_that_was_set_back(inbox: Path) -> None:
    put(inbox, "sun", 1)
    assert imgscore("scan").code == 0
    with_future_touch()
    found = finding("clock")
    assert found is not None and "the clock was set back" in found["detail"]


def test_doctor_store_whose_pages_are_damaged_is_no_crash(inbox: Path) -> None:
    put(inbox, "sun", 3)
    assert imgscore("scan").code == 0
    data = paths.store_folder() / "data.mdb"
    content = bytearray(data.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    data.write_bytes(content)
    done = imgscore("doctor", "--json")
    assert done.code == 1 and "Traceback" not in done.err
    assert {row["check"] for row in done.rows} > {"clock", "display"}


def with_future_touch() -> None:
    """Log a touch of tomorrow, as after a clock that was set back."""
    from imgscore.store import journal
    from imgscore.store.schema import Touch
    from imgscore.store.store import Store

    tomorrow = time.time_ns() + 86_400 * 10**9
    with Store(paths.store_folder()) as store:
        touch = Touch(tomorrow, 1, b"/i", b"/i/a", bytes(32), 1, 2, "1", "order")
        store.commit(lambda txn: journal.append(txn, touch))
