"""Groups from links: each image of a group is linked to its centre."""

from hypothesis import given
from hypothesis import strategies as st

from imgscore.groups.split import components, split

Links = dict[bytes, dict[bytes, float]]


def links(*pairs: tuple[int, int]) -> Links:
    found: Links = {}
    for first, second in pairs:
        for one, other in ((first, second), (second, first)):
            found.setdefault(bytes([one]), {})[bytes([other])] = 0.9
    return found


def test_split_of_a_chain_joins_only_images_that_are_linked_to_the_centre() -> None:
    groups = split(links(*((number, number + 1) for number in range(100))))
    assert max(map(len, groups)) == 3
    assert sum(map(len, groups)) >= 98


def test_split_of_a_star_puts_the_centre_first() -> None:
    assert split(links((5, 1), (5, 2), (5, 3), (3, 4))) == [[b"\5", b"\1", b"\2", b"\3"]]


def test_components_of_two_separate_parts_are_two() -> None:
    parts = [set(part) for part in components(links((1, 2), (2, 3), (7, 8)))]
    assert parts == [{b"\1", b"\2", b"\3"}, {b"\7", b"\x08"}]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=60))
def test_split_of_any_links_depends_only_on_the_links(pairs: list[tuple[int, int]]) -> None:
    pairs = [(first, second) for first, second in pairs if first != second]
    graph = links(*pairs)
    groups = split(graph)
    assert groups == split(links(*reversed(pairs)))
    members = [member for group in groups for member in group]
    assert len(members) == len(set(members))
    assert all(len(group) > 1 for group in groups)
    assert all(member in graph[group[0]] for group in groups for member in group[1:])
    by_part = sorted(group for part in components(graph) for group in split(part))
    assert by_part == sorted(groups)
