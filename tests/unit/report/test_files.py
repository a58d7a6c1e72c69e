"""Reading and writing the files of a page."""

from pathlib import Path

import pytest

from imgscore.errors import ImgscoreError
from imgscore.report import files
from imgscore.report.data import dump
from tests.unit.report.samples import report_data

FOLDER = "/pictures/a\udcff"  # not UTF-8


def test_read_data_of_another_folder_raises(tmp_path: Path) -> None:
    """A taste has one file: between its writing and its reading, somebody else may ask."""
    file = tmp_path / "default.json"
    data = report_data("a", "b", folder=FOLDER)
    file.write_text(dump(data), encoding="ascii")
    assert files.read(file, FOLDER) == data
    with pytest.raises(ImgscoreError, match="another folder"):
        files.read(file, None)


def test_read_data_of_another_version_raises(tmp_path: Path) -> None:
    file = tmp_path / "default.json"
    file.write_text('{"folder": null, "images": []}')
    with pytest.raises(ImgscoreError, match="another version") as caught:
        files.read(file, None)
    assert "imgscore stop, then imgscore start" in caught.value.remedy
