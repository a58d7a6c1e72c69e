"""Folders that fail to be listed."""

import os
from pathlib import Path

import pytest

from imgscore.reconcile import walk
from imgscore.reconcile.walk import Unlisted


def test_a_disk_that_fails_in_the_middle_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def __enter__(self) -> "Failing":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def __next__(self) -> os.DirEntry[bytes]:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(walk.os, "scandir", lambda _: Failing())
    folder = os.fsencode(tmp_path)
    assert list(walk.walk(folder)) == [Unlisted(folder, "Input/output error")]
