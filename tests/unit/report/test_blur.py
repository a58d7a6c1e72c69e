"""The coarse view of an image."""

from imgscore.report.blur import blurs_of


def test_blurs_of_grids_have_the_brightness_of_each_row() -> None:
    top = bytes(255 if at // 16 < 4 else 0 for at in range(256))
    left = bytes(255 if at % 16 < 4 else 0 for at in range(256))
    assert blurs_of([top, left]) == "ff000000" + "3f3f3f3f"


def test_blurs_of_no_grid_are_spaces_and_the_others_keep_their_places() -> None:
    white, none = b"\xff" * 256, " " * 8
    assert blurs_of([b"", white, b"\xff" * 64, white]) == none + "f" * 8 + none + "f" * 8
    assert blurs_of([]) == ""
