"""What a page is made of is what was asked for."""

import json
from pathlib import Path

import pytest

from imgscore.errors import ImgscoreError
from imgscore.report import files


def test_another_folders_report_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """One file a taste: between its being written and read, somebody else may have asked."""
    data = tmp_path / "default.json"
    data.write_text(json.dumps({"folder": "/pictures/a\udcff", "images": []}))
    assert files.read({"data": str(data), "folder": "/pictures/a\udcff"})["images"] == []
    with pytest.raises(ImgscoreError, match="another folder"):
        files.read({"data": str(data), "folder": None})
