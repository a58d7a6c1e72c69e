"""Which folders are known to be watched by someone else."""

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
def test_a_sign_is_found_in_the_folder_and_from_below(tmp_path: Path, sign: str, kind: str) -> None:
    inbox = tmp_path / "pictures" / "inbox"
    inbox.mkdir(parents=True)
    place = tmp_path / sign
    place.mkdir() if sign.endswith("/") else place.touch()
    for folder in (tmp_path, inbox):
        (marker,) = [found for found in find_markers(folder) if found.path.parent == tmp_path]
        assert (marker.kind, marker.path) == (kind, place)
        assert str(tmp_path) in marker.sentence


def test_the_nearest_sign_of_each_kind_counts(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    (inner / ".stfolder").mkdir(parents=True)
    (tmp_path / ".stfolder").mkdir()
    (tmp_path / ".git").mkdir()
    found = {marker.kind: marker.path for marker in find_markers(inner)}
    assert found["syncthing"] == inner / ".stfolder"
    assert found["git"] == tmp_path / ".git"


def test_settings_and_lookalikes_are_no_signs(tmp_path: Path) -> None:
    (tmp_path / ".dropbox").mkdir()  # the client's settings in a home
    (tmp_path / "sync_1.db").touch()
    (tmp_path / ".gitignore").touch()
    assert [found for found in find_markers(tmp_path) if found.path.parent == tmp_path] == []


def test_a_folder_that_is_gone_has_no_signs_of_its_own(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert all(found.path.parent != gone for found in find_markers(gone))
