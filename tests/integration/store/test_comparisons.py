"""The log of comparisons, and the answer of each pair."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.errors import UsageError
from imgscore.store import backups, checks, comparisons
from imgscore.store import store as store_module
from imgscore.store.comparisons import AnswerEvent, Comparison, ComparisonEvent
from imgscore.store.schema import pack
from imgscore.store.store import Store
from imgscore.store.transaction import Txn

A, B, C = (bytes([number]) * 32 for number in (1, 2, 255))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as store:
        yield store


def answer(
    txn: Txn, first: bytes, second: bytes, answer: AnswerEvent, taste: str = "default"
) -> int:
    return comparisons.append(txn, ComparisonEvent(7, taste, first, second, answer, "cli"))


def answers(store: Store, taste: str = "default") -> list[tuple[bytes, bytes, str]]:
    with store.read() as txn:
        return [(item.first, item.second, item.answer) for item in comparisons.iter_all(txn, taste)]


def test_append_returns_the_sequence_and_current_finds_the_pair_in_either_order(
    store: Store,
) -> None:
    with store.write() as txn:
        assert [answer(txn, B, A, "first"), answer(txn, A, C, "same")] == [1, 2]
    with store.read() as txn:
        wanted = Comparison(B, A, "first", 1, 7, "cli")
        assert comparisons.current(txn, "default", A, B) == wanted
        assert comparisons.current(txn, "default", B, A) == wanted
        assert comparisons.current(txn, "other", A, B) is None
        assert comparisons.last_sequence(txn) == 2
        assert comparisons.digests(txn) == {A, B, C}
        assert comparisons.tastes(txn) == {"default"}
        assert [event.answer for _, event in comparisons.newest_first(txn)] == ["same", "first"]


def test_append_for_an_answered_pair_replaces_its_answer_and_keeps_the_log(store: Store) -> None:
    with store.write() as txn:
        answer(txn, A, B, "first")
        answer(txn, B, A, "first")
    assert answers(store) == [(B, A, "first")]
    with store.read() as txn:
        assert comparisons.count(txn, "default") == 1
        assert [event.first for _, event in comparisons.newest_first(txn)] == [B, A]


def test_append_clear_withdraws_only_this_pair_in_this_taste(store: Store) -> None:
    with store.write() as txn:
        answer(txn, A, B, "first")
        answer(txn, A, C, "second")
        answer(txn, A, B, "second", "default.2")
        answer(txn, B, A, "clear")
        answer(txn, B, C, "clear")
    assert answers(store) == [(A, C, "second")]
    assert answers(store, "default.2") == [(A, B, "second")]


def test_count_leaves_skipped_pairs_out_and_iter_all_yields_them(store: Store) -> None:
    with store.write() as txn:
        answer(txn, A, B, "skip")
        answer(txn, A, C, "same")
    assert answers(store) == [(A, B, "skip"), (A, C, "same")]
    with store.read() as txn:
        assert comparisons.count(txn, "default") == 1
    with store.write() as txn:
        answer(txn, A, C, "skip")
        assert comparisons.count(txn, "default") == 0


@pytest.mark.parametrize(("first", "second"), [(A, A), (A, b""), (A[:-1], B)])
def test_append_of_no_pair_of_images_is_refused(store: Store, first: bytes, second: bytes) -> None:
    with store.write() as txn, pytest.raises(UsageError):
        answer(txn, first, second, "first")
    assert answers(store) == []


def test_checks_of_an_answer_that_the_log_contradicts_find_it(store: Store) -> None:
    with store.write() as txn:
        answer(txn, A, B, "first")
        other = Comparison(B, A, "first", 1, 7, "cli")
        key, _ = next(txn.table("comparisons").scan())
        txn.table("comparisons").put(key, pack(other))
    with store.read() as txn:
        found = {item.what: item.problems for item in checks.iter_all(txn, store.file)}
    assert found["comparisons"] and A.hex() in found["comparisons"][0]


def test_restore_of_a_backup_brings_the_answers_back(store: Store, tmp_path: Path) -> None:
    with store.write() as txn:
        answer(txn, A, B, "first")
    backups.write(store, tmp_path / "heads", tmp_path / "backup")
    restored = tmp_path / "restored"
    backups.restore(tmp_path / "backup", restored, tmp_path / "heads", lambda path: None)
    with Store(restored) as again:
        assert answers(again) == [(A, B, "first")]


def test_readonly_store_without_the_tables_has_no_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older imgscore wrote the store."""
    older = tuple(name for name in store_module.TABLES if not name.startswith("comparison"))
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "TABLES", older)
        Store(tmp_path / "older").close()
    with Store(tmp_path / "older", readonly=True) as store:
        assert answers(store) == []
        with store.read() as txn:
            assert comparisons.current(txn, "default", A, B) is None
            assert comparisons.tastes(txn) == comparisons.digests(txn) == set()
            assert not any(item.problems for item in checks.iter_all(txn, store.file))
    with Store(tmp_path / "older") as store:
        with store.write() as txn:
            answer(txn, A, B, "second")
        assert answers(store) == [(A, B, "second")]
