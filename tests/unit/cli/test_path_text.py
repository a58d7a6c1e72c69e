"""Paths for people."""

from pathlib import Path

import pytest

from imgscore.cli.path_text import short, shortened


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME, with the working folder HOME/work."""
    (tmp_path / "work" / "inbox").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def test_short_path_is_relative_to_the_working_folder_or_home(home: Path) -> None:
    assert short(f"{home}/work/inbox/a.jpg") == "inbox/a.jpg"
    assert short(f"{home}/work") == "~/work"
    assert short(f"{home}/worker/a.jpg") == "~/worker/a.jpg"
    assert short("/media/a\x1b.jpg") == "/media/a\\x1b.jpg"
    assert short(f"{home}/work/-rf.jpg") == "./-rf.jpg"
    assert short(f"{home}/work/~x.jpg") == "./~x.jpg"


def test_short_path_without_a_useful_home_or_folder_is_absolute(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/")
    monkeypatch.chdir("/")
    assert short(f"{home}/a.jpg") == f"{home}/a.jpg"
    gone = home / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert short(f"{home}/a.jpg") == f"{home}/a.jpg"


def test_short_path_home_behind_a_link_is_a_tilde(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "link").symlink_to(home / "work")
    monkeypatch.setenv("HOME", str(home / "link"))
    monkeypatch.chdir("/")
    assert short(f"{home}/work/a.jpg") == short(f"{home}/link/a.jpg") == "~/a.jpg"


def test_shortened_text_keeps_quoted_paths(home: Path) -> None:
    text = f"{home}/work/x does not exist (see {home}/y), '{home}/z'\nrun: f {home}/work/inbox"
    assert shortened(text) == f"x does not exist (see ~/y), '{home}/z'\nrun: f inbox"
