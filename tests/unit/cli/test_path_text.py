"""Paths for people."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.cli.path_text import MIN_COLUMNS, columns, fitted, short, shortened


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


FOLDER = "/photos/a trip to the northern islands with the whole family/second week on the boat"


def test_fitted_long_folder_is_cut_and_the_name_stays() -> None:
    assert fitted(lambda: f"0.571  {short(f'{FOLDER}/IMG_2024-07-11.jpg')}", 80) == (
        "0.571  /photos/a trip to the northern islands with the whole…/IMG_2024-07-11.jpg"
    )


def test_fitted_long_name_is_cut_in_the_middle() -> None:
    path = "/photos/" + "a very long name " * 8 + "end.jpg"
    text = fitted(lambda: f"keep  {short(path)}  (3 labels)", 80)
    assert text is not None and columns(text) == 80
    assert text.startswith("keep  /photos/a very long name")
    assert "…" in text and text.endswith("end.jpg  (3 labels)")


def test_fitted_two_paths_share_the_line_and_a_short_one_stays_whole() -> None:
    text = fitted(
        lambda: f"would move  {short(f'{FOLDER}/a.jpg')} → {short('/photos/keep/a.jpg')}", 80
    )
    assert text is not None and columns(text) == 80
    assert text.endswith("…/a.jpg → /photos/keep/a.jpg")


def test_fitted_line_of_only_a_path_and_text_without_paths_stay_whole() -> None:
    page = f"{FOLDER}/page.html"
    text = f"{page}\n{'a word ' * 20}\n  {page}"
    assert fitted(lambda: text.replace(page, short(page)), 80) == text
    before = short(page)
    assert fitted(lambda: f"x {before}", 80) == f"x {page}", "the path is older than the line"
    assert fitted(lambda: None, 80) is None


def test_fitted_wide_letters_count_two_columns() -> None:
    path = "/写真/" + "北の島への旅行" * 8 + "/東京.jpg"
    text = fitted(lambda: f"keep  {short(path)}", 80)
    assert text is not None and 78 <= columns(text) <= 80 and text.endswith("…/東京.jpg")


@given(st.lists(st.text("ab/ é写", min_size=1, max_size=150), min_size=1), st.integers(80, 200))
def test_fitted_any_paths_fit_unless_there_are_too_many(names: list[str], width: int) -> None:
    line = " | ".join(short(f"/{name}") for name in names)
    text = fitted(lambda: " | ".join(short(f"/{name}") for name in names), width)
    assert text is not None
    if columns(line) <= width:
        assert text == line
    elif len(names) * (MIN_COLUMNS + 3) <= width and len(names) > 1:
        assert columns(text) <= width
