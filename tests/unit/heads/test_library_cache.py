"""The file with the nodes and graphs of the library."""

from pathlib import Path

import numpy as np
import pytest

from imgscore.heads import library_cache
from imgscore.heads.graph import Graph
from imgscore.heads.library import fit_features
from imgscore.heads.library_cache import MIN_IMAGES, LibraryCache
from imgscore.heads.library_nodes import LibraryNodes

DIGESTS = [number.to_bytes(32, "big") for number in range(MIN_IMAGES)]


@pytest.fixture(scope="module")
def nodes() -> LibraryNodes:
    random = np.random.default_rng(0)
    values = random.standard_normal((MIN_IMAGES, 24)).astype(np.float16)
    extras = random.standard_normal((MIN_IMAGES, 12)).astype(np.float32)
    extras[7] = np.nan
    made = LibraryNodes.of(fit_features(values, (), extras), values, extras)
    made.graph(600)
    return made


@pytest.fixture
def file(tmp_path: Path, nodes: LibraryNodes) -> Path:
    file = tmp_path / "cache" / "library.safetensors"
    LibraryCache(file, "key").save(DIGESTS, nodes)
    return file


def test_load_returns_the_saved_nodes(file: Path, nodes: LibraryNodes) -> None:
    loaded = LibraryCache(file, "key").load(DIGESTS)
    assert loaded is not None
    for name in ("rows", "plain", "traits"):
        assert np.array_equal(getattr(loaded, name), getattr(nodes, name), equal_nan=True)
    assert loaded.graphs.keys() == {600}
    for ours, theirs in zip(loaded.graphs[600], nodes.graphs[600], strict=True):
        assert np.array_equal(ours, theirs)
    rows = np.random.default_rng(1).standard_normal((5, 24)).astype(np.float16)
    assert loaded.features(rows) == pytest.approx(nodes.features(rows), abs=1e-5)
    assert (file.stat().st_mode & 0o777) == 0o600


@pytest.mark.parametrize(("changed", "is_used"), [(50, True), (51, False)])
def test_load_after_a_change_of_the_library_uses_the_file_if_it_is_small(
    file: Path, changed: int, is_used: bool
) -> None:
    new = [number.to_bytes(32, "big") for number in range(changed, MIN_IMAGES + changed)]
    assert (LibraryCache(file, "key").load(new) is not None) == is_used


def test_load_with_another_key_or_an_old_file_returns_none(file: Path, monkeypatch) -> None:
    assert LibraryCache(file, "other").load(DIGESTS) is None
    monkeypatch.setattr(library_cache, "MAX_SECONDS", -1)
    assert LibraryCache(file, "key").load(DIGESTS) is None


def test_save_and_load_of_a_small_library_do_nothing(tmp_path: Path, nodes: LibraryNodes) -> None:
    cache = LibraryCache(tmp_path / "file", "key")
    cache.save(DIGESTS[:-1], nodes)
    assert not (tmp_path / "file").exists()
    assert cache.load(DIGESTS[:-1]) is None


@pytest.mark.parametrize("size", [0, 8, 100, 5000, -1])
def test_load_of_a_damaged_file_returns_none(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])
    assert LibraryCache(file, "key").load(DIGESTS) is None
    file.write_bytes(b"\xff" * 5000)
    assert LibraryCache(file, "key").load(DIGESTS) is None
    file.unlink()
    file.mkdir()
    assert LibraryCache(file, "key").load(DIGESTS) is None


@pytest.mark.parametrize(
    "graph",
    [
        {"neighbour": np.full((600, 10), 600, np.int32)},
        {"neighbour": np.full((600, 10), -1, np.int32)},
        {"neighbour": np.zeros((600, 10), np.int64)},
        {"weight": np.full((600, 10), np.nan, np.float32)},
        {"weight": np.zeros((600, 10), np.float32)},
        {"variance": np.full(599, 1, np.float32)},
    ],
)
def test_load_of_a_hostile_graph_returns_none(
    tmp_path: Path, nodes: LibraryNodes, graph: dict
) -> None:
    wrong = LibraryNodes(
        nodes.features,
        nodes.rows,
        nodes.plain,
        nodes.traits,
        {600: Graph(**(nodes.graphs[600]._asdict() | graph))},
    )
    file = tmp_path / "file"
    LibraryCache(file, "key").save(DIGESTS, wrong)
    assert file.exists()
    assert LibraryCache(file, "key").load(DIGESTS) is None


def test_save_of_a_further_graph_keeps_the_sample_of_the_nodes(file: Path) -> None:
    cache = LibraryCache(file, "key")
    shifted = [number.to_bytes(32, "big") for number in range(40, MIN_IMAGES + 40)]
    nodes = cache.load(shifted)
    assert nodes is not None
    before = file.stat().st_mtime_ns
    cache.save(shifted, nodes)
    assert file.stat().st_mtime_ns == before, "nothing is new"
    nodes.graph(300)
    cache.save(shifted, nodes)
    again = LibraryCache(file, "key").load(DIGESTS)
    assert again is not None and again.graphs.keys() == {300, 600}
    later = [number.to_bytes(32, "big") for number in range(60, MIN_IMAGES + 60)]
    assert LibraryCache(file, "key").load(later) is None, "60 of the first sample are missing"
