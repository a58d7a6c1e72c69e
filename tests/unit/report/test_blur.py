"""The coarse view of an image."""

from imgscore.report.blur import blurs_of


def test_blurs_of_grids_have_a_digit_for_each_part() -> None:
    top = bytes(255 if at // 16 < 4 else 0 for at in range(256))
    left = bytes(255 if at % 16 < 4 else at % 16 * 10 for at in range(256))
    assert blurs_of([top, left]) == ["ffff" + "0000" * 3, "f358" * 4]


def test_blurs_of_no_grid_is_empty_and_the_others_keep_their_places() -> None:
    white = b"\xff" * 256
    assert blurs_of([b"", white, b"\xff" * 64, white]) == ["", "f" * 16, "", "f" * 16]
    assert blurs_of([]) == []
