"""The coarse view of an image."""

from imgscore.report.blur import blur_of


def test_blur_of_a_grid_has_a_digit_for_each_part() -> None:
    top = bytes(255 if at // 16 < 4 else 0 for at in range(256))
    assert blur_of(top) == "ffff" + "0000" * 3
    left = bytes(255 if at % 16 < 4 else at % 16 * 10 for at in range(256))
    assert blur_of(left) == "f358" * 4


def test_blur_of_no_grid_is_empty() -> None:
    assert blur_of(b"") == blur_of(b"\xff" * 64) == ""
