"""Which images of a group get the label keep, and which get the label trash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.grades import KEEP, OF_STARS, TRASH, UNDECIDED
from imgscore.groups.choice import Choice, choose

GRADES = st.lists(st.sampled_from([None, TRASH, KEEP, *OF_STARS.values()]), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("grades", "choice"),
    [
        ([None, None, None], Choice(0, (1, 2))),
        ([None, TRASH, None], Choice(0, (2,))),
        ([None, TRASH], Choice(0)),
        ([None, UNDECIDED], Choice(0)),
        ([None, KEEP, None], Choice(None, (0, 2))),
        ([None, OF_STARS[4]], Choice(None, (0,))),
        ([KEEP, None, TRASH], Choice(None, (1,))),
        ([TRASH, KEEP, None], Choice(None, (2,))),
        ([KEEP, TRASH], Choice()),
        ([None], Choice()),
    ],
)
def test_choose_keeps_every_label_and_the_best(grades: list[float | None], choice: Choice) -> None:
    assert choose(grades) == choice


@pytest.mark.parametrize(("grade", "text"), [(TRASH, "trash"), (UNDECIDED, "3 stars")])
def test_choose_best_with_another_label_skips_the_group(grade: float, text: str) -> None:
    choice = choose([grade, None, None])
    assert choice == Choice(skipped=f"the best image already has the label {text}")


def test_choose_keep_outside_of_the_folder_is_the_reason_for_trash() -> None:
    assert choose([None, None], kept_elsewhere=True) == Choice(None, (0, 1))
    assert choose([None], kept_elsewhere=True) == Choice(None, (0,))
    assert choose([TRASH, None], kept_elsewhere=True) == Choice(None, (1,))


@given(GRADES, st.booleans())
def test_choose_any_grades_trashes_nothing_unless_one_image_is_kept(
    grades: list[float | None], elsewhere: bool
) -> None:
    choice = choose(grades, kept_elsewhere=elsewhere)
    given_ = {*choice.trash} | ({choice.keep} - {None})
    assert all(grades[at] is None for at in given_ if at is not None)
    kept = elsewhere or any(grade is not None and grade > UNDECIDED for grade in grades)
    if choice.trash:
        assert kept != (choice.keep is not None)
    if choice.skipped:
        assert not given_
