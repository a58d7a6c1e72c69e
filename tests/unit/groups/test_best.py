"""The order of the images of one group, the best image first."""

from hypothesis import given
from hypothesis import strategies as st

from imgscore.groups.best import Quality, best_first

SHARP = Quality(
    pixels=12_000_000,
    bytes=4_000_000,
    sharpness=2.0,
    detail=2e4,
    noise=1.0,
    step=2.0,
    compression=92,
    highlights=0.0,
    shadows=0.0,
    tones=5.2,
    brightness=0.45,
)
shares = st.none() | st.floats(0, 1)
qualities = st.builds(
    Quality,
    pixels=st.none() | st.integers(1, 10**9),
    bytes=st.none() | st.integers(1, 10**9),
    sharpness=st.none() | st.floats(0, 10),
    detail=st.none() | st.floats(0, 1e10),
    noise=st.none() | st.floats(0, 255),
    step=st.none() | st.floats(1, 63),
    compression=st.none() | st.integers(1, 100),
    highlights=shares,
    shadows=shares,
    tones=st.none() | st.floats(0, 6),
    brightness=shares,
    white=shares,
    ringing=st.none() | st.floats(0, 32),
)
DRAWING = SHARP._replace(
    pixels=480_000, detail=1200, noise=0.0, highlights=0.6, tones=2.5, brightness=0.9, white=1.0,
    ringing=4.0,
)  # fmt: skip


def test_best_first_without_members_is_empty() -> None:
    assert best_first([]) == []


def test_best_first_of_equal_images_keeps_their_sequence() -> None:
    assert best_first([SHARP] * 3) == [0, 1, 2]
    assert best_first([Quality()] * 3) == [0, 1, 2]


def test_best_first_with_a_blurred_image_puts_it_last() -> None:
    assert best_first([SHARP._replace(detail=8e3, sharpness=0.8, bytes=2_000_000), SHARP]) == [1, 0]


def test_best_first_of_smooth_images_puts_the_one_last_whose_detail_is_compression() -> None:
    smooth = SHARP._replace(pixels=480_000, sharpness=0.0, detail=0.5, noise=0.3)
    compressed = smooth._replace(sharpness=0.01, detail=3.0, step=16.0, compression=40)
    assert best_first([compressed, smooth]) == [1, 0]


def test_best_first_with_a_noisy_image_puts_it_last_though_its_file_is_larger() -> None:
    assert best_first([SHARP._replace(noise=12.0, detail=1.5e4, bytes=9_000_000), SHARP]) == [1, 0]


def test_best_first_with_an_enlarged_copy_puts_it_last() -> None:
    enlarged = SHARP._replace(pixels=48_000_000, bytes=9_000_000, sharpness=0.2, detail=1.6e4)
    assert best_first([enlarged, SHARP]) == [1, 0]


def test_best_first_with_a_compressed_copy_puts_it_last_though_it_was_saved_again_well() -> None:
    saved_again = SHARP._replace(step=20.0, detail=2.1e4, compression=95, bytes=9_000_000)
    assert best_first([saved_again, SHARP]) == [1, 0]
    assert best_first([SHARP._replace(compression=30), SHARP]) == [1, 0]


def test_best_first_with_a_scaled_or_blurred_copy_does_not_prefer_its_clean_pixels() -> None:
    original = SHARP._replace(noise=4.0, step=6.0)
    small = SHARP._replace(pixels=3_000_000, detail=1.2e4, noise=1.0, step=1.0, compression=None)
    blurred = SHARP._replace(detail=1.2e4, noise=0.5, step=1.0, compression=None)
    assert best_first([small, blurred, original])[0] == 2


def test_best_first_with_clipped_highlights_puts_the_image_last() -> None:
    assert best_first([SHARP._replace(highlights=0.3, bytes=5_000_000), SHARP]) == [1, 0]


def test_best_first_with_a_longer_exposure_puts_the_image_last_though_it_has_more_detail() -> None:
    brighter = SHARP._replace(detail=2.5e4, highlights=0.08, tones=5.2, brightness=0.6)
    assert best_first([brighter, SHARP]) == [1, 0]


def test_best_first_with_a_shorter_exposure_puts_the_image_last() -> None:
    darker = SHARP._replace(detail=1.6e4, highlights=0.0, tones=4.6, brightness=0.31)
    assert best_first([darker, SHARP._replace(highlights=0.01)]) == [1, 0]


def test_best_first_of_drawings_on_paper_puts_the_one_with_grey_paper_last() -> None:
    drawing = SHARP._replace(tones=2.5, brightness=0.9, white=1.0, highlights=0.8)
    grey = drawing._replace(brightness=0.65, white=0.73, highlights=0.0)
    assert best_first([grey, drawing]) == [1, 0]
    assert best_first([grey._replace(white=None), drawing]) == [0, 1], "the brightness alone"


def test_best_first_of_drawings_puts_the_one_with_rings_last_though_they_are_detail() -> None:
    rings = DRAWING._replace(ringing=9.0, detail=1600, sharpness=2.3, tones=2.9)
    assert best_first([rings, DRAWING]) == [1, 0]
    assert best_first([DRAWING, DRAWING._replace(ringing=0.5)]) == [1, 0]


def test_best_first_of_drawings_does_not_prefer_a_longer_exposure_that_clipped_its_rings() -> None:
    brighter = DRAWING._replace(ringing=2.5, brightness=0.92, tones=2.4)
    assert best_first([brighter, DRAWING]) == [1, 0]


def test_best_first_of_photographs_ignores_the_ringing_because_texture_looks_like_it() -> None:
    textured = SHARP._replace(tones=5.6, ringing=14.0)
    assert best_first([textured, textured._replace(ringing=6.0, detail=1.8e4)]) == [0, 1]


def test_best_first_of_drawings_prefers_the_large_one_to_a_small_one_with_more_tones() -> None:
    small = DRAWING._replace(pixels=120_000, detail=800, tones=3.3)
    assert best_first([small, DRAWING]) == [1, 0]


def test_best_first_of_drawings_does_not_prefer_a_white_that_has_joined_tones() -> None:
    grey = DRAWING._replace(white=0.87, brightness=0.7, tones=2.4, highlights=0.0)
    clipped = grey._replace(white=1.0, brightness=0.85, tones=1.9, highlights=0.5)
    assert best_first([clipped, grey]) == [1, 0]


def test_best_first_of_photographs_does_not_prefer_the_whiter_one() -> None:
    evening = SHARP._replace(tones=5.6, brightness=0.3, white=0.6)
    brighter = evening._replace(tones=5.5, brightness=0.45, white=0.85, detail=2.2e4)
    assert best_first([brighter, evening]) == [1, 0]


def test_best_first_of_images_with_a_white_background_prefers_the_sharp_one() -> None:
    darker = SHARP._replace(detail=1.2e4, sharpness=1.0, highlights=0.0)
    assert best_first([darker, SHARP._replace(highlights=0.9)]) == [1, 0]


def test_best_first_before_the_measurement_prefers_more_pixels_then_bytes() -> None:
    small = Quality(pixels=3_000_000, bytes=900_000)
    large = Quality(pixels=12_000_000, bytes=900_000)
    assert best_first([small, large, large._replace(bytes=3_000_000)]) == [2, 1, 0]


def test_best_first_puts_an_unmeasured_image_between_a_sharp_and_a_blurred_one() -> None:
    unmeasured = Quality(pixels=SHARP.pixels, bytes=SHARP.bytes)
    blurred = SHARP._replace(detail=4e3, sharpness=0.4)
    assert best_first([blurred, unmeasured, SHARP]) == [2, 1, 0]


@given(st.lists(qualities, max_size=8))
def test_best_first_of_any_members_is_an_order_of_all(members: list[Quality]) -> None:
    order = best_first(members)
    assert sorted(order) == list(range(len(members)))
    assert order == best_first(members)
