"""The counters equal a recount after any sequence of changes."""

from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from imgscore.store import comparisons, counts, labels, migrations, scores, sightings
from imgscore.store.comparisons import ComparisonEvent
from imgscore.store.schema import Fingerprint, LabelEvent, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.watches import Role
from tests.support.old_stores import downgrade

PATHS = [b"/in/a", b"/in/b", b"/in/in/c"]
DIGESTS = [bytes([number]) * 32 for number in (0, 1, 255)]
INBOXES = [b"/in", b"/in/in"]
TASTES = ["default", "memes"]
LABELS = ["keep", "trash", "clear", 0.0, 0.1, 0.3, 0.304, 0.5, 0.7, 1.0, 1]

paths, digests, inboxes = map(some.sampled_from, (PATHS, DIGESTS, INBOXES))
tastes, heads = some.sampled_from(TASTES), some.sampled_from(["1", "10", "2"])
see = some.tuples(
    some.just("see"),
    paths,
    digests,
    inboxes,
    some.sampled_from(["inbox", "keep", "trash"]),
    some.sampled_from([0, 0, 0, 5]),
    some.integers(1, 2),
)
changes = some.one_of(
    see,
    some.tuples(some.just("lose"), paths),
    some.tuples(some.just("score"), tastes, heads, some.lists(digests)),
    some.tuples(some.just("retire"), tastes, heads),
    some.tuples(some.just("label"), tastes, digests, some.sampled_from(LABELS)),
    some.tuples(
        some.just("compare"),
        tastes,
        some.permutations(DIGESTS),
        some.sampled_from(["first", "second", "same", "skip", "clear"]),
    ),
)


def change(txn: Txn, what: str, *how: Any) -> None:
    match what:
        case "see":
            path, digest, inbox, role, gone_ns, inode = how
            seen = Fingerprint(1, inode, 3, 4, 5)
            sightings.record(txn, Sighting(path, seen, digest, inbox, role, gone_ns))
        case "lose":
            known = sightings.find(txn, how[0])
            if known is not None:
                sightings.forget(txn, known)
        case "score":
            packed = b"".join(scores.pack(digest, 0.5, 0.1) for digest in how[2])
            scores.record(txn, how[0], how[1], packed)
        case "retire":
            scores.forget(txn, *how)
        case "label":
            taste, digest, label = how
            labels.append(txn, LabelEvent(1, taste, digest, label, "cli", b"/in/a"))
        case "compare":
            taste, (first, second, _), answer = how
            comparisons.append(txn, ComparisonEvent(1, taste, first, second, answer, "cli"))


@settings(max_examples=300)
@given(story=some.lists(changes, max_size=30))
def test_counters_after_any_changes_equal_a_recount(
    story: list[tuple[Any, ...]], tmp_path_factory: Any
) -> None:
    class UndoneError(Exception):
        pass

    with Store(tmp_path_factory.getbasetemp() / "counts") as store:
        try:
            with store.write() as txn:
                for arguments in story:
                    change(txn, *arguments)
                assert counts.iter_all(txn) == migrations.recount(txn)
                for taste in TASTES:
                    names = Counter(label.label for _, label in labels.iter_all(txn, taste))
                    assert labels.totals(txn, taste) == {
                        "keep": names["keep"], "trash": names["trash"]
                    }  # fmt: skip
                    assert sum(counts.grades_of(txn, taste).values()) == names.total()
                for inbox in INBOXES:
                    files = list(sightings.in_place(txn, inbox, "inbox"))
                    assert counts.files(txn, inbox, "inbox") == len(files)
                    for taste in TASTES:
                        done = scores.is_scored(txn, taste, "1")
                        scored = sum(done(file.digest) for file in files)
                        assert counts.scored(txn, inbox, taste, "1") == scored
                raise UndoneError
        except UndoneError:
            pass


def test_migrate_store_of_schema_1_gets_its_counters(tmp_path: Path) -> None:
    seen = Fingerprint(1, 2, 3, 4, 5)

    def fill(txn: Txn) -> None:
        for number, path in enumerate(PATHS):
            sightings.record(txn, Sighting(path, seen, DIGESTS[number], b"/in", "inbox"))
        sightings.record(txn, Sighting(b"/in/keep/d", seen, DIGESTS[0], b"/in", "keep"))
        sightings.record(txn, Sighting(b"/in/e", seen, DIGESTS[0], b"/in", "inbox", 5))
        change(txn, "score", "default", "1", DIGESTS[:2])
        change(txn, "label", "default", DIGESTS[0], "keep")
        txn.table("counts").delete_all(b"")

    with Store(tmp_path / "store") as store:
        store.commit(fill)
    downgrade(tmp_path / "store", 1)
    with Store(tmp_path / "store") as store, store.read() as txn:
        assert counts.files(txn, b"/in", "inbox") == 3
        assert counts.files(txn, b"/in", "keep") == 1
        assert counts.scored(txn, b"/in", "default", "1") == 2
        assert labels.totals(txn, "default") == {"keep": 1, "trash": 0}


def test_sightings_digests_equal_the_decoded_ones(tmp_path: Path) -> None:
    inboxes = [b"/in", b"/other/in", b"/" + b"long" * 90]

    def know(txn: Txn) -> None:
        for number in range(200):
            role: Role = "keep" if number % 5 == 0 else "inbox"
            gone_ns = number << 8 if number % 7 == 0 else 0  # some of them end in a zero byte
            seen = Fingerprint(1, number, 2**33 + number, 10**18 + number, 10**18)
            path, digest = b"/%d.png" % number, number.to_bytes(32, "big")
            sightings.record(txn, Sighting(path, seen, digest, inboxes[number % 3], role, gone_ns))

    with Store(tmp_path / "store") as store:
        store.commit(know)
        with store.read() as txn:
            digests = sorted(sightings.digests(txn, inboxes[1:]))
            expected = sorted(
                sighting.digest
                for sighting in sightings.iter_all(txn)
                if sighting.role == "inbox" and sighting.inbox in inboxes[1:]
            )
    assert digests == expected and 80 < len(digests) < 120
