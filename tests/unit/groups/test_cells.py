"""The tests compare facts about cells with plain formulas of numpy."""

import numpy as np

from imgscore.groups.cells import count_marked, double_medians, smoothed, steepest

LEVELS = np.random.default_rng(1).integers(0, 256, (5, 64, 64)).astype(np.int16)


def around(grids: np.ndarray) -> np.ndarray:
    """The 3 × 3 cells around each cell; the cells at the edges are repeated."""
    wide = np.pad(grids, ((0, 0), (1, 1), (1, 1)), "edge")
    return np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(1, 2))


def test_steepest_of_grids_is_the_largest_gradient_of_the_cells_around() -> None:
    down, right = np.gradient(LEVELS.astype(np.float32), axis=(1, 2))
    wanted = around(np.hypot(down, right)).max(axis=(3, 4))
    assert np.array_equal(steepest(LEVELS), wanted)


def test_smoothed_of_grids_is_the_mean_of_the_cells_around() -> None:
    wanted = around(LEVELS).mean(axis=(3, 4))
    assert np.allclose(smoothed(LEVELS.astype(np.float32)), wanted, atol=1e-3)


def test_double_medians_of_an_even_number_of_values_are_the_sums_of_both_middle_ones() -> None:
    values = (LEVELS[:4] - LEVELS[1:]).reshape(4, -1)
    ends = np.array([[-255, 255] * 2048, [255] * 4096, [-255] * 4096], np.int16)
    for rows in (values, values[:, :2], ends):
        assert np.array_equal(double_medians(rows), 2 * np.median(rows, axis=1))


def test_count_marked_returns_the_number_of_true_cells() -> None:
    marked = LEVELS > 200
    assert np.array_equal(count_marked(marked), marked.sum(axis=(1, 2)))
    assert count_marked(marked[:0]).shape == (0,)
