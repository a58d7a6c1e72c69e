"""Free names for a group of files."""

from hypothesis import given
from hypothesis import strategies as st

from imgscore.apply.names import MAX_NAME_BYTES, free_names, numbered


def test_numbered_of_a_group_gives_all_names_one_number() -> None:
    names = [b"a.CR2", b"a.jpg", b"a.CR2.xmp"]
    assert numbered(names, b"a", 2) == [b"a (2).CR2", b"a (2).jpg", b"a (2).CR2.xmp"]


def test_numbered_of_a_name_without_the_stem_is_none() -> None:
    assert numbered([b"a(2).jpg", b"a.jpg(2).json"], b"a(2)", 2) is None


def test_free_names_of_free_names_are_the_same() -> None:
    assert free_names([b"a.jpg"], b"a", lambda name: True) == ([b"a.jpg"], 1)


def test_free_names_skips_a_number_that_one_file_of_the_group_cannot_have() -> None:
    taken = {b"a.jpg", b"a (2).jpg.xmp"}
    found = free_names([b"a.jpg", b"a.jpg.xmp"], b"a", lambda name: name not in taken)
    assert found == ([b"a (3).jpg", b"a (3).jpg.xmp"], 3)


@given(st.text(min_size=1, max_size=120), st.sampled_from([b".jpg", b".jpeg.xmp"]))
def test_numbered_of_a_long_name_fits_and_stays_utf8(text: str, ending: bytes) -> None:
    stem = text.encode("utf-8", "surrogatepass")
    names = numbered([stem + ending], stem, 12)
    assert names is not None
    assert len(names[0]) <= MAX_NAME_BYTES
    cut = names[0].removesuffix(b" (12)" + ending)
    assert text.startswith(cut.decode("utf-8", "surrogatepass"))
