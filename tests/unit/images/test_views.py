"""Layouts keep proportions; the views of an image cover all its pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscore.images.views import CELL_PIXELS, MAX_TILES, MAX_VIEW_PROPORTION, layout, views

SIDES = st.integers(1, 40_000)


@given(SIDES, SIDES)
def test_layout_any_size_keeps_proportions(width: int, height: int) -> None:
    plan = layout(width, height)
    assert plan.width % CELL_PIXELS == 0 and plan.height % CELL_PIXELS == 0
    assert 1 <= plan.tiles <= MAX_TILES
    assert 45 <= plan.width * plan.height / CELL_PIXELS**2 <= 60
    canvas_width, canvas_height = plan.canvas
    squash = (canvas_width / canvas_height) / (width / height)
    if max(width, height) / min(width, height) <= MAX_VIEW_PROPORTION * MAX_TILES:
        assert 1 / 1.1 <= squash <= 1.1


@given(SIDES, SIDES)
def test_layout_turned_image_is_the_turned_layout(width: int, height: int) -> None:
    plan, turned = layout(width, height), layout(height, width)
    assert plan.canvas == turned.canvas[::-1]
    assert plan.tiles == turned.tiles


@pytest.mark.parametrize(
    ("size", "tiles", "view"),
    [
        ((224, 224), 1, (224, 224)),
        ((4000, 3000), 1, (192, 256)),
        ((1920, 1080), 1, (160, 288)),
        ((1080, 2340), 1, (352, 160)),
        ((100, 2000), 8, (384, 160)),
        ((100_000, 10), MAX_TILES, (160, 384)),
    ],
)
def test_layout_known_sizes_give_known_views(
    size: tuple[int, int], tiles: int, view: tuple[int, int]
) -> None:
    plan = layout(*size)
    assert (plan.tiles, (plan.height, plan.width)) == (tiles, view)


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 900), st.booleans(), st.data())
def test_views_any_bright_line_is_in_a_view(
    short: int, long: int, upright: bool, data: st.DataObject
) -> None:
    """Brightening any line across the long side changes at least one view."""
    line = data.draw(st.integers(0, long - 1))
    dark = np.zeros((short, long, 3), np.uint8)
    lit = dark.copy()
    lit[:, line] = 255
    if upright:
        dark, lit = dark.transpose(1, 0, 2).copy(), lit.transpose(1, 0, 2).copy()
    assert not any(view.any() for view in views(dark, dark.shape[1::-1]))
    lit_views = views(lit, lit.shape[1::-1])
    assert any(view.any() for view in lit_views)
    assert len({view.shape for view in lit_views}) == 1
    assert len(lit_views) == layout(*lit.shape[1::-1]).tiles


def test_views_panorama_gives_tiles_in_order() -> None:
    """A ramp along a panorama rises from tile to tile, from its first to its last value."""
    ramp = np.repeat(np.linspace(0, 255, 3000).astype(np.uint8)[None, :, None], 100, axis=0)
    tiles = views(np.repeat(ramp, 3, axis=2), (3000, 100))
    means = [float(tile.mean()) for tile in tiles]
    assert len(means) == 12 and means == sorted(means)
    assert tiles[0][0, 0, 0] <= 1 and tiles[-1][-1, -1, 0] >= 254


def test_views_reduced_image_uses_the_originals_shape() -> None:
    """A4 at 400 dots an inch lies between two shapes; an eighth of it, rounded, fits another."""
    full, reduced = (3307, 4677), (414, 585)
    assert layout(*full) != layout(*reduced)
    (view,) = views(np.zeros((*reduced[::-1], 3), np.uint8), full)
    assert view.shape[:2] == (layout(*full).height, layout(*full).width)
