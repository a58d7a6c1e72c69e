"""Texts lose every name, and stay readable."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.doctor.scrub import HIDDEN, Scrubber
from imgscore.reconcile import walk

NAMES = [
    ("path", "/home/anna/Fotos/Kreta 2024"),
    ("folder", "/home/anna/.local/share/imgscore/store"),
    ("taste", "katzen"),
    ("user", "anna"),
    ("host", "blaubeere"),
    ("word", "file"),
]
SCRUBBER = Scrubber(b"salt", NAMES, ["efficientnet-lite0@1"])


def shape(text: str) -> str:
    """A scrubbed text with each hash replaced by 8 dots."""
    return re.sub(r"[0-9a-f]{8}", "........", SCRUBBER.text(text))


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("no space left on the disk", "no space left on the disk"),
        ("/home/anna/Fotos/Kreta 2024: cannot be read", "<path ........>: cannot be read"),
        ("/home/anna/Fotos/Kreta 2024/a.jpg: cannot be read", "<path ........>… cannot be read"),
        ("the taste katzen has no head", "the taste <taste ........> has no head"),
        ("KATZEN", "<taste ........>"),
        ("Kreta", "<…>"),
        ("Kreta 2024", "<name ........>"),
        ("Anna's images", "<user ........>… images"),
        ("/images/keep/image.jpg", "<…>"),
        ("~/images", "<…>"),
        ("12 of 200 images, 3.5 MB, 40%", "12 of 200 images, 3.5 MB, 40%"),
        ("IMG_2024.jpg: image", "<…> image"),
        ("größe ☃ \x1b[31m \\x1b", "<…>"),
        ("no zzz qqq images", "no <…> images"),
        ("on ext4: efficientnet-lite0@1", "on ext4: efficientnet-lite0@1"),
        ("2026-11-27 12:00:00,123 zzz images", "2026-11-27 12:00:00,123 <…> images"),
        ('  File "/home/anna/x.py", line 3, in secret', "  File <…>, line 3, in "),
        (
            f'  File "{walk.__file__}", line 3, in listings',
            "  File imgscore/reconcile/walk.py, line 3, in listings",
        ),
        ("", ""),
    ],
)
def test_text_with_names_keeps_only_known_words(text: str, scrubbed: str) -> None:
    assert shape(text) == scrubbed


def test_hash_of_a_name_is_the_same_in_a_bundle_and_differs_between_bundles() -> None:
    assert SCRUBBER.hashed("katzen", "taste") == SCRUBBER.text("katzen")
    assert Scrubber(b"other", NAMES).text("katzen") != SCRUBBER.text("katzen")


def test_path_keeps_its_depth_and_the_names_of_imgscore() -> None:
    path = SCRUBBER.path("/home/anna/Fotos/keep")
    assert re.fullmatch(r"/<\w{8}>/<\w{8}>/<\w{8}>/keep", path)
    assert SCRUBBER.path("/home/anna") == path.rpartition("/<")[0]


@given(st.text(st.characters(codec="utf-8"), min_size=6))
def test_unknown_text_never_passes_unless_its_words_are_messages(name: str) -> None:
    scrubbed = SCRUBBER.text(f"cannot read zq{name}qz")
    assert f"zq{name}qz" not in scrubbed
    assert HIDDEN in scrubbed or "…" in scrubbed
