"""The files that move together."""

from typing import NamedTuple

import pytest

from imgscore.apply.groups import groups_of


class Row(NamedTuple):
    """A labelled file."""

    target: str


def moved(names: str, labelled: str, *, siblings: bool = True) -> list[set[str]]:
    """The groups of a folder, as sets of names; files after "!" have the other label."""
    keep, _, trash = labelled.partition("!")
    rows = {name.encode(): Row(f"/keep/{name}") for name in keep.split()}
    rows |= {name.encode(): Row(f"/trash/{name}") for name in trash.split()}
    groups = groups_of(map(str.encode, names.split()), rows, siblings=siblings)
    return [{name.decode() for name in group.names} for group in groups if not group.obstacle]


def test_groups_of_a_raw_and_a_jpeg_are_one_group_with_all_sidecars() -> None:
    names = "a.CR2 a.jpg a.xmp a.CR2.xmp a.jpg.xmp a.jpg.json b.jpg b.jpg.xmp ab.xmp"
    assert moved(names, "a.jpg") == [
        {"a.CR2", "a.jpg", "a.xmp", "a.CR2.xmp", "a.jpg.xmp", "a.jpg.json"}
    ]


def test_groups_of_a_raw_format_that_cannot_be_read_moves_with_its_jpeg() -> None:
    assert moved("a.erf a.jpg", "a.jpg") == [{"a.erf", "a.jpg"}]


def test_groups_without_siblings_leaves_the_raw_and_its_sidecar() -> None:
    names = "a.CR2 a.jpg a.xmp a.jpg.xmp"
    assert moved(names, "a.jpg", siblings=False) == [{"a.jpg", "a.jpg.xmp"}]


def test_groups_of_two_formats_without_raw_are_two_groups() -> None:
    assert moved("a.jpg a.png a.png.xmp", "a.jpg ! a.png") == [{"a.jpg"}, {"a.png", "a.png.xmp"}]


def test_groups_of_a_shared_sidecar_move_together_or_stay() -> None:
    assert moved("a.jpg a.png a.xmp", "a.jpg a.png") == [{"a.jpg", "a.png", "a.xmp"}]
    assert moved("a.jpg a.png a.xmp", "a.jpg") == []
    assert moved("a.jpg a.png a.xmp", "a.jpg ! a.png") == []


def test_groups_of_a_raw_and_a_jpeg_with_different_labels_stay() -> None:
    assert moved("a.CR2 a.jpg", "a.jpg ! a.CR2") == []


def test_groups_of_jpegs_with_two_suffixes_are_two_groups() -> None:
    assert moved("a.jpg a.JPG", "a.jpg ! a.JPG") == [{"a.JPG"}, {"a.jpg"}]


@pytest.mark.parametrize("name", ["IMG(2).jpg", "a.png.jpg", ".a.jpg.jpg", "p.jpg_large"])
def test_groups_of_an_odd_name_contain_it(name: str) -> None:
    assert moved(f"{name} other.xmp", name) in ([{name}], [])


def test_groups_of_google_photos_copies_keep_their_json() -> None:
    names = "IMG(2).jpg IMG.jpg(2).json IMG.jpg IMG.jpg.json"
    assert moved(names, "IMG(2).jpg") == [{"IMG(2).jpg", "IMG.jpg(2).json"}]
