"""Reading and writing the files of a page."""

from pathlib import Path
from zlib import crc32

import pytest

from imgscore import protocol
from imgscore.errors import ImgscoreError
from imgscore.report import data, files
from imgscore.report.data import dump
from tests.unit.report.samples import report_data

FOLDER = "/pictures/a\udcff"  # not UTF-8


def test_read_data_of_another_folder_raises(tmp_path: Path) -> None:
    """A taste has one file: between its writing and its reading, somebody else may ask."""
    file = tmp_path / "default.json"
    written = report_data("a", "b", folder=FOLDER)
    file.write_text(dump(written), encoding="ascii")
    assert files.read(file, FOLDER) == written
    with pytest.raises(ImgscoreError, match="another folder"):
        files.read(file, None)


def test_read_data_of_another_version_raises(tmp_path: Path) -> None:
    file = tmp_path / "default.json"
    file.write_text('{"folder": null, "images": []}')
    with pytest.raises(ImgscoreError, match="another version") as caught:
        files.read(file, None)
    assert "imgscore stop, then imgscore start" in caught.value.remedy


def test_data_has_the_format_of_this_protocol() -> None:
    """An older `report` must be refused if it cannot read the data that the daemon writes.

    If this test fails: raise PROTOCOL, unless all changes are new fields with a default. Then write
    the new numbers here.
    """
    structs = [
        (name, sorted(struct.__annotations__.items()))
        for name, struct in sorted(vars(data).items())
        if struct is not data.PageData and getattr(struct, "__module__", "") == data.__name__
        if isinstance(struct, type)
    ]
    assert (protocol.PROTOCOL, crc32(repr(structs).encode())) == (2, 1928166539)
