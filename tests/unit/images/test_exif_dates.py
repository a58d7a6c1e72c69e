"""Dates in the EXIF data of image files, of several formats and of damaged files."""

import itertools
import os
from pathlib import Path

import pytest
from PIL import Image

from imgscore.images.exif_dates import MIN_FILES, count_without_date, has_date
from imgscore.images.traits import EXIF_IFD, MAKE

CHANGED, TAKEN, DIGITIZED = 0x0132, 0x9003, 0x9004


def saved(path: Path, *, tag: int = TAKEN, date: str = "") -> bytes:
    """Save an image with a date in one tag, or without a date. Return its path."""
    exif = Image.Exif()
    exif[MAKE] = "Canon"  # Pillow writes no EXIF into a PNG if the first page is empty
    if date and tag == CHANGED:
        exif[tag] = date
    elif date:
        exif.get_ifd(EXIF_IFD)[tag] = date
    Image.new("RGB", (16, 12)).save(path, exif=exif)
    return os.fsencode(path)


@pytest.mark.parametrize(
    ("suffix", "tag"),
    [
        ("tiff", CHANGED),  # Pillow writes no other date into a TIFF
        *itertools.product(("jpg", "png", "webp"), (CHANGED, TAKEN, DIGITIZED)),
    ],
)
def test_has_date_with_and_without_a_date_in_exif(tmp_path: Path, suffix: str, tag: int) -> None:
    dated = saved(tmp_path / f"a.{suffix}", tag=tag, date="2024:05:06 12:34:56")
    assert has_date(dated)
    assert not has_date(saved(tmp_path / f"b.{suffix}"))


def test_has_date_with_a_heic_is_true(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    assert has_date(saved(tmp_path / "a.heic", date="2024:05:06 12:34:56"))
    assert not has_date(saved(tmp_path / "b.heic"))


@pytest.mark.parametrize("date", ["0000:00:00 00:00:00", "    :  :     :  :  ", "no"])
def test_has_date_of_a_camera_without_a_clock_is_false(tmp_path: Path, date: str) -> None:
    assert not has_date(saved(tmp_path / "a.jpg", date=date))


def test_has_date_of_a_file_that_is_cut_off_anywhere_raises_no_error(tmp_path: Path) -> None:
    whole = Path(os.fsdecode(saved(tmp_path / "a.jpg", date="2024:05:06 12:34:56"))).read_bytes()
    part = tmp_path / "part.jpg"
    found = set()
    for size in range(0, len(whole), 7):
        part.write_bytes(whole[:size])
        found.add(has_date(os.fsencode(part)))
    assert found == {False, True}


def test_count_without_date_leaves_out_what_is_no_readable_file(tmp_path: Path) -> None:
    dated = saved(tmp_path / "a.jpg", date="2024:05:06 12:34:56")
    bare = saved(tmp_path / "b.jpg")
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    others = [os.fsencode(tmp_path / name) for name in ("fifo.jpg", "link.jpg", "gone.jpg")]
    assert count_without_date([dated, bare, *others]) == (2, 1)


def test_count_without_date_without_time_reads_only_the_first_files(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{number}.jpg") for number in range(MIN_FILES + 20)]
    assert count_without_date(paths, seconds=0) == (MIN_FILES, MIN_FILES)
    assert count_without_date(paths[:3], seconds=0) == (3, 3)
