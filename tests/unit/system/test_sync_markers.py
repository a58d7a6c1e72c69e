"""Markers of sync clients and git in a folder or above it."""

from pathlib import Path

import pytest

from imgscore.system.sync_markers import find_markers


@pytest.mark.parametrize(
    ("sign", "kind"),
    [
        (".stfolder/", "syncthing"),
        (".sync_0a1b2c.db", "nextcloud"),
        ("._sync_0a1b2c.db", "nextcloud"),
        (".nextcloudsync.log", "nextcloud"),
        (".dropbox", "dropbox"),
        (".dropbox.cache/", "dropbox"),
        (".git/", "git"),
        (".git", "git"),
    ],
)
def test_find_markers_in_the_folder_or_above_finds_the_sign(
    tmp_path: Path, sign: str, kind: str
) -> None:
    inbox = tmp_path / "pictures" / "inbox"
    inbox.mkdir(parents=True)
    place = tmp_path / sign
    place.mkdir() if sign.endswith("/") else place.touch()
    for folder in (tmp_path, inbox):
        (marker,) = [marker for marker in find_markers(folder) if marker.path.parent == tmp_path]
        assert (marker.kind, marker.path) == (kind, place)
        assert str(tmp_path) in marker.sentence


def test_find_markers_takes_the_nearest_of_each_kind(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    (inner / ".stfolder").mkdir(parents=True)
    (tmp_path / ".stfolder").mkdir()
    (tmp_path / ".git").mkdir()
    markers = {marker.kind: marker.path for marker in find_markers(inner)}
    assert markers["syncthing"] == inner / ".stfolder"
    assert markers["git"] == tmp_path / ".git"


def test_find_markers_ignores_settings_and_similar_names(tmp_path: Path) -> None:
    (tmp_path / ".dropbox").mkdir()  # the client's settings in a home
    (tmp_path / "sync_1.db").touch()
    (tmp_path / ".gitignore").touch()
    assert [marker for marker in find_markers(tmp_path) if marker.path.parent == tmp_path] == []


def test_find_markers_of_a_missing_folder_finds_none_in_it(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert all(marker.path.parent != gone for marker in find_markers(gone))
