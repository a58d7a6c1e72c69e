"""The arithmetic of the benchmarks and the table of results; nothing is timed."""

import importlib
from pathlib import Path

import numpy as np

from bench.__main__ import BENCHES
from bench.figures import (
    NOTES,
    Figure,
    Setting,
    format_row,
    list_images,
    merge_rows,
    percentile,
)
from bench.sandbox import make_taste, resample


def test_percentile_returns_a_measured_value() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3
    assert percentile([7.0], 0.5) == 7


def test_merge_rows_of_a_rerun_replaces_its_rows_and_keeps_others() -> None:
    first = {
        "embed": [format_row("embed", Figure("a", "1/s", "2/s", 0.5, "≥ 1", False), "monday")],
        "idle": [format_row("idle", Figure("b", "3 MB"), "monday")],
    }
    text = merge_rows("", first, "# Results", ("embed", "idle")) + "By hand: a | b.\n"
    again = {"embed": [format_row("embed", Figure("a", "4/s", "2/s", 2.0, "≥ 1", True), "tuesday")]}
    after = merge_rows(text, again, "# Results", ("embed", "idle"))
    assert "| a | 4/s | 2/s | 2.00 | ≥ 1 | yes | `python -m bench embed` | tuesday |" in after
    assert "1/s" not in after
    assert "| b | 3 MB |" in after
    assert after.partition(NOTES)[2] == "\nBy hand: a | b.\n"
    assert merge_rows(after, again, "# Results", ("embed", "idle")) == after


def test_list_images_without_hidden_files_is_sorted(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/c.png", ".x/d.png", "a/e.txt", "a/.f.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    paths = list_images(tmp_path)
    assert [path.name for path in paths] == ["c.png", "b.JPG"]
    setting = Setting(paths, quick=True, scratch=tmp_path)
    assert setting.images(10) == setting.images(10)
    assert [path.name for path in setting.images(10, suffixes=frozenset({".jpg"}))] == ["b.JPG"]
    assert setting.choose(1, 2) == 1


def test_resample_returns_distinct_vectors_distributed_like_the_real() -> None:
    chance = np.random.default_rng(0)
    real = chance.exponential(1, (50, 24)).astype(np.float16)
    made = resample(real, 5000)
    assert made.shape == (5000, 24)
    assert made.dtype == np.float16
    assert len({row.tobytes() for row in made}) == 5000
    assert np.isfinite(made).all() and (made >= 0).all()
    wide = made.astype(np.float32)
    assert np.allclose(wide.mean(axis=0), real.astype(np.float32).mean(axis=0), rtol=0.2)
    keep = make_taste(made)
    assert 0.3 < keep.mean() < 0.7


def test_benches_all_have_a_measure_function() -> None:
    for name in BENCHES:
        assert callable(importlib.import_module(f"bench.{name}").measure)
