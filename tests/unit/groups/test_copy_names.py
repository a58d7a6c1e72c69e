"""The names of copies: an original comes before its copies."""

import pytest

from imgscore.groups.copy_names import is_copy_name, original_first

COPIES = [
    "Copy of a.jpg", "copy (2) of a.jpg", "Kopie von a.jpg", "a - Copy.jpg", "a - Copy (3).jpg",
    "a copy.jpg", "a copy 2.jpg", "a_copy.jpg", "a-copy.jpg", "a (copy).jpg",
    "a (another copy).jpg", "a (3rd copy).jpg", "a (1).jpg", "a(1).jpg", "A COPY.JPG",
    "sub/a (1).png",
]  # fmt: skip
ORIGINALS = [
    "a.jpg", "copyright.jpg", "photocopy.jpg", "IMG_0001.jpg", "a 1.jpg", "(1).jpg", "copy.jpg",
    "Copy of/a.jpg", "a", "",
]  # fmt: skip


@pytest.mark.parametrize("name", COPIES)
def test_is_copy_name_of_a_copy_is_true(name: str) -> None:
    assert is_copy_name(b"/in/" + name.encode())


@pytest.mark.parametrize("name", ORIGINALS)
def test_is_copy_name_of_another_name_is_false(name: str) -> None:
    assert not is_copy_name(b"/in/" + name.encode())


def test_original_first_sorts_copies_behind_and_deep_paths_later() -> None:
    paths = [b"/in/Copy of b.jpg", b"/in/b (1).jpg", b"/in/a/b.jpg", b"/in/c.jpg", b"/in/b\xff.jpg"]
    assert sorted(paths, key=original_first) == [
        b"/in/b\xff.jpg", b"/in/c.jpg", b"/in/a/b.jpg", b"/in/Copy of b.jpg", b"/in/b (1).jpg",
    ]  # fmt: skip
