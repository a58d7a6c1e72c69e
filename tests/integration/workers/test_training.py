"""Training on a store: the examples, and the kind of head."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from imgscore.embedders import lite0_spec, registry
from imgscore.errors import UsageError
from imgscore.heads import files, mlp
from imgscore.heads.kernel_solver import GRAPH_NODES
from imgscore.images.traits import Traits
from imgscore.paths import head_file, library_file
from imgscore.store import comparisons, heads, labels, traits, vectors
from imgscore.store.comparisons import AnswerEvent, ComparisonEvent
from imgscore.store.examples import examples_of, sample, sample_digests
from imgscore.store.schema import LabelEvent
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.context import Context
from imgscore.workers.library_messages import LibraryPrepared, PrepareLibrary
from imgscore.workers.messages import Train
from imgscore.workers.prepare_library import prepare_library
from imgscore.workers.training import train

COUNT = 40


@pytest.fixture
def context(tmp_path: Path):
    """The context of a worker, with 40 labelled vectors. The images 0 and 1 are of one burst."""
    values = np.random.default_rng(0).random((COUNT, lite0_spec.DIM), np.float32)
    values[1] = 0.8 * values[0] + 0.2 * values[1]
    digests = [number.to_bytes(32, "big") for number in range(COUNT)]

    def fill(txn: Txn) -> None:
        rows = (row.tobytes() for row in values.astype(np.float16))
        vectors.append(txn, lite0_spec.ID, zip(digests, rows, strict=True))
        for number, digest in enumerate(digests):
            name = "keep" if number % 2 else "trash"
            labels.append(txn, LabelEvent(number + 1, "default", digest, name, "import", b"/a"))
            # the first two within a second, the others years apart
            year, second = (2024, number) if number < 2 else (2010 + number, 0)
            taken = f"{year}-05-06T12:00:0{second}"
            image_traits = Traits(
                width=4, height=3, format="JPEG", bytes_per_pixel=1.0, taken=taken
            )
            traits.record(txn, digest, image_traits)

    with Store(tmp_path / "store") as store:
        store.commit(fill)
    context = Context(tmp_path / "store", tmp_path / "heads", "efficientnet-lite0", "cpu")
    yield context
    context.store.close()


def test_examples_of_a_burst_share_a_group(context: Context) -> None:
    with context.store.read() as txn:
        labelled = examples_of(txn, context.spec, "default")
    group = dict(zip(labelled.digests, labelled.examples.groups.tolist(), strict=True))
    first, second, *others = (group[number.to_bytes(32, "big")] for number in range(COUNT))
    assert first == second
    assert len({first, *others}) == COUNT - 1


def test_examples_of_labels_have_the_times_of_these_labels(context: Context) -> None:
    with context.store.read() as txn:
        labelled = examples_of(txn, context.spec, "default")
    numbers = [int.from_bytes(digest, "big") for digest in labelled.digests]
    assert labelled.examples.times.tolist() == [number + 1 for number in numbers]


def test_sample_of_a_large_store_allocates_only_its_result(tmp_path: Path) -> None:
    values = np.arange(1280, dtype=np.float16)[:, None] * np.ones(lite0_spec.DIM, np.float16)
    pairs = [(number.to_bytes(32, "big"), row.tobytes()) for number, row in enumerate(values)]
    with Store(tmp_path / "store") as store:
        store.commit(lambda txn: vectors.append(txn, lite0_spec.ID, pairs))
        with store.read() as txn:
            tracemalloc.start()
            digests, rows = sample(txn, registry.spec("efficientnet-lite0"), 20)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    numbers = [int.from_bytes(digest, "big") for digest in digests]
    assert len(set(numbers)) == 20 and (rows == values[numbers]).all()
    assert peak < values.nbytes / 5  # a block of 64, twice, and the index


def test_train_recipe_decides_the_kind_of_head(context: Context, monkeypatch) -> None:
    pytest.importorskip("torch", reason="pip install torch")
    monkeypatch.setattr(mlp, "HIDDEN_WIDTHS", (8,))
    assert train(context, Train("default", "mlp")).record.report["kind"] == "mlp"
    assert train(context, Train("default")).record.report["kind"] == "kernel"


def compare(
    context: Context,
    pairs: list[tuple[int, int]],
    answer: AnswerEvent = "first",
    taste: str = "pairs",
) -> None:
    """Record the same answer about each pair."""
    folder = context.store_folder

    def record(txn: Txn) -> None:
        for better, worse in pairs:
            digests = better.to_bytes(32, "big"), worse.to_bytes(32, "big")
            comparisons.append(txn, ComparisonEvent(1, taste, *digests, answer, "cli"))

    with Store(folder) as store:
        store.commit(record)


def test_examples_of_comparisons_have_rows_for_both_images(context: Context) -> None:
    compare(context, [(3, 2), (4, 5), (99, 2)])
    compare(context, [(0, 9)], "second")
    compare(context, [(8, 1)], "same")
    compare(context, [(7, 6)], "skip")
    with context.store.read() as txn:
        taught = examples_of(txn, context.spec, "pairs", check=False)
        with pytest.raises(UsageError):
            examples_of(txn, context.spec, "pairs")
    assert taught.digests == [] and len(taught.examples) == 0
    numbers = [int.from_bytes(digest, "big") for digest in taught.all_digests]
    assert sorted(numbers) == [0, 1, 2, 3, 4, 5, 8, 9], "no image of a skipped pair"
    rows = taught.examples.comparisons
    answered = {(numbers[better], numbers[worse], same) for better, worse, same in rows}
    # Image 99 has no embedding.
    assert answered == {(3, 2, 0), (4, 5, 0), (9, 0, 0), (8, 1, 1)}
    assert len(taught.answers) == 4
    groups = dict(zip(numbers, taught.examples.all_groups.tolist(), strict=True))
    assert groups[0] == groups[1] and len(set(groups.values())) == 7


def test_examples_of_a_labelled_and_compared_image_have_one_row(context: Context) -> None:
    with Store(context.store_folder) as store, store.write() as txn:
        labels.append(txn, LabelEvent(1, "pairs", (3).to_bytes(32, "big"), 1.0, "cli", b"/a"))
    compare(context, [(3, 2), (2, 4)])
    with context.store.read() as txn:
        taught = examples_of(txn, context.spec, "pairs", check=False)
    assert [len(taught.digests), len(taught.compared)] == [1, 2]
    better, worse, _ = taught.examples.comparisons.T
    assert taught.all_digests[better[1]] == (3).to_bytes(32, "big") or better[0] == 0
    assert len(taught.examples.all_embeddings) == 3 and worse.max() < 3


def test_train_on_comparisons_alone_records_an_uncalibrated_head(context: Context) -> None:
    compare(context, [(number, number - 1) for number in range(3, COUNT, 2)])
    record = train(context, Train("pairs")).record
    assert (record.labels, record.comparisons) == (0, 19)
    assert record.comparison_sequence == 19
    assert record.report["calibrated"] is False and "quality" not in record.report
    pairs = record.report["pairs"]
    assert isinstance(pairs, dict) and pairs["comparisons"] == 19
    with context.store.read() as txn:
        digests, rows = sample(txn, context.spec, COUNT)
    head = files.load(head_file(context.heads_folder, "pairs", record.version))
    score = dict(zip(digests, head.score(rows).score, strict=True))
    won = [score[number.to_bytes(32, "big")] for number in range(3, COUNT, 2)]
    lost = [score[number.to_bytes(32, "big")] for number in range(2, COUNT, 2)]
    assert np.mean(np.array(won) > np.array(lost)) > 0.9


def test_train_on_labels_and_comparisons_uses_both(context: Context) -> None:
    compare(context, [(number, number - 1) for number in range(3, COUNT, 2)], taste="default")
    with Store(context.store_folder) as store, store.write() as txn:
        for digest, label in labels.iter_all(txn, "default"):
            labels.append(txn, LabelEvent(1, "labels", digest, label.grade, "cli", b"/a"))
    alone, both = (train(context, Train(taste)).record for taste in ("labels", "default"))
    assert (alone.comparisons, both.comparisons) == (0, 19)
    assert both.report["calibrated"] is True and "pairs" not in alone.report
    assert both.report["quality"] != alone.report["quality"]


def test_train_again_compares_the_heads_on_new_comparisons(context: Context) -> None:
    pairs = [(number, number - 1) for number in range(1, COUNT, 2)]
    compare(context, pairs)
    first = train(context, Train("pairs")).record
    context.store.close()
    again = Context(context.store_folder, context.heads_folder, "efficientnet-lite0", "cpu")
    with Store(context.store_folder) as store, store.write() as txn:
        heads.record(txn, msgspec.structs.replace(first, comparison_sequence=0))
    second = train(again, Train("pairs")).record
    again.store.close()
    compared = second.report["comparison"]
    assert isinstance(compared, dict)
    assert compared["basis"] == "new comparisons" and compared["labels"] == len(pairs)
    assert "held-out comparisons" in str(second.report["reason"])


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Context]:
    """A context whose store has 1,100 images, and labels of 12 of them."""
    random = np.random.default_rng(0)
    values = np.abs(random.standard_normal((1100, lite0_spec.DIM))).astype(np.float16)
    digests = [hashlib.sha256(bytes([*divmod(number, 256)])).digest() for number in range(1100)]
    rows = zip(digests, (row.tobytes() for row in values), strict=True)
    with Store(tmp_path / "store") as store, store.write() as txn:
        vectors.append(txn, lite0_spec.ID, rows)
        for number, digest in enumerate(digests[:12]):
            labels.append(txn, LabelEvent(1, "default", digest, float(number % 2), "cli", b"/a"))
    context = Context(tmp_path / "store", tmp_path / "heads", "efficientnet-lite0", "cpu")
    yield context
    context.store.close()


def test_train_again_with_the_cached_library_makes_an_equal_head(large: Context) -> None:
    first = train(large, Train("default")).record
    first_head = files.load(head_file(large.heads_folder, "default", "1"))
    written = library_file().stat().st_mtime_ns
    with large.store.read() as txn:
        taught = examples_of(txn, large.spec, "default", cache=large.library_cache)
        digests, rows = sample(txn, large.spec, 200)
    assert not len(taught.examples.background), "no vector of the library was read"
    second = train(large, Train("default")).record
    assert library_file().stat().st_mtime_ns == written
    assert first.report["quality"] == second.report["quality"]
    assert len(digests) == 200
    # The first head is not recorded, so that the second one has the same file.
    second_head = files.load(head_file(large.heads_folder, "default", second.version))
    expected = first_head.score(rows).score
    assert second_head.score(rows).score == pytest.approx(expected, abs=1e-4)


def test_train_after_prepare_library_reads_no_vector_of_the_library(large: Context) -> None:
    assert isinstance(prepare_library(large, PrepareLibrary()), LibraryPrepared)
    written = library_file().stat().st_mtime_ns
    record = train(large, Train("default")).record
    prepare_library(large, PrepareLibrary())
    assert library_file().stat().st_mtime_ns == written, "the graphs and the nodes were there"
    assert record.accepted and record.labels == 12


def test_prepare_library_stores_a_graph_for_each_number_of_labels(large: Context) -> None:
    prepare_library(large, PrepareLibrary())
    with large.store.read() as txn:
        nodes = large.library_cache.load(sample_digests(txn, large.spec))
    assert nodes is not None
    assert nodes.graphs.keys() == {min(size, 1100) for _, size in GRAPH_NODES}


def test_train_with_a_damaged_library_file_replaces_it(large: Context) -> None:
    train(large, Train("default"))
    library_file().write_bytes(b"damaged")
    record = train(large, Train("default")).record
    assert record.accepted and library_file().stat().st_size > 10**6


def test_train_after_new_images_joins_them_to_the_cached_library(large: Context) -> None:
    train(large, Train("default"))
    written = library_file().stat().st_mtime_ns
    large.store.close()
    random = np.random.default_rng(5)
    values = np.abs(random.standard_normal((20, lite0_spec.DIM))).astype(np.float16)
    new = [bytes([number]) * 32 for number in range(20)]
    with Store(large.store_folder) as store, store.write() as txn:
        vectors.append(txn, lite0_spec.ID, zip(new, (row.tobytes() for row in values), strict=True))
        for number, digest in enumerate(new):
            labels.append(txn, LabelEvent(1, "default", digest, float(number % 2), "cli", b"/a"))
    again = Context(large.store_folder, large.heads_folder, "efficientnet-lite0", "cpu")
    record = train(again, Train("default")).record
    again.store.close()
    assert record.labels == 32 and library_file().stat().st_mtime_ns == written
