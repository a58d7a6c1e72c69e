"""The groups of similar images in the store, and their index by digest."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgscore.store import checks, groups
from imgscore.store.groups import Group, NewGroup
from imgscore.store.store import Store

A, B, C, D, E = (bytes([number]) * 32 for number in range(1, 6))
WHY = "They show the same picture."


def near(*members: bytes) -> NewGroup:
    return NewGroup("near-duplicates", members, WHY)


def replace(store: Store, digests: set[bytes], *new: NewGroup) -> set[bytes]:
    return store.commit(lambda txn: groups.replace(txn, digests, new))


def stored(store: Store) -> list[Group]:
    with store.read() as txn:
        assert not [f for f in checks.iter_all(txn, store.file) if f.problems]
        return list(groups.iter_all(txn))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as store:
        yield store


def test_of_returns_the_group_of_each_member_and_none_for_other_images(store: Store) -> None:
    assert replace(store, {A, B, C, D}, near(A, B), NewGroup("bursts", (D, C), "At once.")) == {
        A, B, C, D,
    }  # fmt: skip
    with store.read() as txn:
        assert groups.of(txn, B) == groups.of(txn, A) == Group(1, "near-duplicates", (A, B), WHY)
        assert groups.of(txn, C) == Group(2, "bursts", (D, C), "At once.")
        assert groups.of(txn, E) is None
        assert dict(groups.numbers(txn)) == {A: 1, B: 1, C: 2, D: 2}
        assert groups.count(txn) == 2


def test_replace_with_the_same_groups_changes_nothing(store: Store) -> None:
    replace(store, {A, B}, near(A, B))
    before = store.used_bytes()
    assert replace(store, {A, B}, near(A, B)) == set()
    assert store.used_bytes() == before
    assert stored(store) == [Group(1, "near-duplicates", (A, B), WHY)]


def test_replace_with_a_larger_group_keeps_the_number(store: Store) -> None:
    replace(store, {A, B, C, D}, near(A, B), near(C, D))
    assert replace(store, {C, D, E}, near(E, C, D)) == {C, D, E}
    assert [group.number for group in stored(store)] == [1, 2]
    assert replace(store, {A, B, C, D, E}, near(A, B, C, D, E)) == {A, B, C, D, E}
    assert stored(store) == [Group(1, "near-duplicates", (A, B, C, D, E), WHY)]


def test_replace_of_some_members_keeps_the_others_together(store: Store) -> None:
    replace(store, {A, B, C}, near(A, B, C))
    assert replace(store, {A}) == {A, B, C}
    assert stored(store) == [Group(1, "near-duplicates", (B, C), WHY)]
    assert replace(store, {B}) == {B, C}
    assert stored(store) == []


def test_of_in_a_store_without_the_tables_finds_no_group(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        pass
    with Store(tmp_path / "store", readonly=True) as store:
        store.handles["groups"] = store.handles["grouped"] = None
        with store.read() as txn:
            assert groups.of(txn, A) is None
            assert list(groups.iter_all(txn)) == []
            assert groups.count(txn) == 0


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.lists(st.lists(st.sampled_from([A, B, C, D, E]), unique=True, max_size=4), max_size=3),
        max_size=5,
    )
)
def test_replace_repeated_stores_exactly_the_last_groups(
    store: Store, steps: list[list[list[bytes]]]
) -> None:
    store.commit(groups.clear)
    for step in steps:
        used: set[bytes] = set()
        wanted = []
        for members in step:
            wanted.append(near(*(member for member in members if member not in used)))
            used.update(members)
        replace(store, {A, B, C, D, E}, *wanted)
        expected = sorted(group.members for group in wanted if len(group.members) > 1)
        assert sorted(group.members for group in stored(store)) == expected
