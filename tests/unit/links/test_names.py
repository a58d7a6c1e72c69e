"""The names in a folder of links: ranks, long names, equal names."""

import os

from hypothesis import given
from hypothesis import strategies as st

from imgscore.links.names import chosen_names, fitted, key, plain_name, with_rank

NAMES = st.binary(min_size=1, max_size=300).map(
    lambda raw: b"/inbox/" + (raw.replace(b"/", b"_").replace(b"\0", b"_"))
)


def names(
    images: list[bytes],
    *,
    present: list[bytes | None] | None = None,
    foreign: tuple[bytes, ...] = (),
    top: int | None = None,
    portable: bool = False,
) -> list[bytes]:
    before = present or [None] * len(images)
    return chosen_names(images, before, foreign, top=top, portable=portable, limit=255)


@given(st.lists(NAMES, max_size=20, unique=True), st.sampled_from([None, 20]), st.booleans())
def test_chosen_names_for_any_names_are_unique_and_fit(
    images: list[bytes], top: int | None, portable: bool
) -> None:
    found = names(images, top=top, portable=portable)
    assert len(found) == len(images) == len(set(map(key, found)))
    for name in found:
        assert 0 < len(name) <= 255 and b"/" not in name and b"\0" not in name
        assert not name.startswith(b".")
    if top is not None:
        assert sorted(found) == found
    # The present names are kept at the next time.
    assert names(images, present=list(found), top=top, portable=portable) == found


def test_chosen_names_of_equal_names_get_numbers() -> None:
    assert names([b"/a/x.jpg", b"/b/x.jpg", b"/c/X.JPG"]) == [b"x.jpg", b"x (2).jpg", b"X (3).JPG"]
    assert names([b"/a/x.jpg"], foreign=(b"x.jpg",)) == [b"x (2).jpg"]
    assert names([b"/a/x.jpg"], foreign=(b"0001 x.jpg",), top=9) == [b"0001 x (2).jpg"]


def test_chosen_names_with_rank_follow_the_order() -> None:
    assert names([b"/a/b.jpg", b"/a/a.jpg"], top=500) == [b"0001 b.jpg", b"0002 a.jpg"]
    assert with_rank(b"a.jpg", 7, 100_000) == b"000007 a.jpg"


def test_chosen_names_after_a_changed_rank_rename_only_moved_images() -> None:
    before = names([b"/a/b.jpg", b"/a/a.jpg", b"/a/c.jpg"], top=500)
    after = names([b"/a/a.jpg", b"/a/b.jpg", b"/a/c.jpg"], present=before, top=500)
    assert after == [b"0001 a.jpg", b"0002 b.jpg", b"0003 c.jpg"]


def test_chosen_names_without_rank_stay_when_the_order_changes() -> None:
    images = [b"/a/x.jpg", b"/b/x.jpg"]
    before = names(images)
    assert names(images[::-1], present=before[::-1]) == before[::-1]


def test_fitted_name_is_cut_at_a_character() -> None:
    name = "ä".encode() * 200 + b".jpeg"
    cut = fitted(name, 255)
    assert len(cut) <= 255 and cut.decode().endswith("ä.jpeg")
    assert len(fitted(b"\xff" * 300, 255)) == 255
    assert len(fitted(b"a." + b"x" * 300, 255)) <= 255


def test_plain_name_for_a_memory_card_has_no_forbidden_character() -> None:
    assert plain_name(b'/a/what?: "x"\n.jpg', portable=True) == b"what__ _x__.jpg"
    assert plain_name(b"/a/\xff\xfe.jpg", portable=True) == b"__.jpg"
    assert plain_name(b"/a/a\n\xff.jpg", portable=False) == b"a\n\xff.jpg"
    assert os.fsdecode(plain_name(b"/a/trailing .jpg", portable=True)) == "trailing.jpg"
