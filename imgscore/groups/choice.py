"""Chooses which images of a group get the label keep, and which get the label trash.

No label that an image already has is changed.
"""

from collections.abc import Sequence
from typing import NamedTuple

from imgscore.grades import UNDECIDED, text_of


class Choice(NamedTuple):
    """The labels that the images of a group get, as positions in the group.

    `keep`: the image that gets the label keep. None if an image of the group is labelled keep
    already, or if nothing is labelled. `trash`: the images that get the label trash. `skipped`: the
    reason why a group with unlabelled images gets no labels; None otherwise.
    """

    keep: int | None = None
    trash: tuple[int, ...] = ()
    skipped: str | None = None


def choose(grades: Sequence[float | None], *, kept_elsewhere: bool = False) -> Choice:
    """Choose the labels of a group: the best image gets keep, the others get trash.

    `grades`: the grade of each image, the best image first; None for an image without a label.
    `kept_elsewhere`: whether an image of the group that is not in `grades` is labelled keep.

    If an image is labelled keep already, it is the image that stays, and every unlabelled image
    gets trash. If the best image has another label, the user disagrees with the proposal: the group
    is skipped.
    """
    unlabelled = tuple(at for at, grade in enumerate(grades) if grade is None)
    if not unlabelled or (len(grades) == 1 and not kept_elsewhere):
        return Choice()
    if kept_elsewhere or any(grade is not None and grade > UNDECIDED for grade in grades):
        return Choice(trash=unlabelled)
    best = grades[0]
    if best is not None:
        return Choice(skipped=f"the best image already has the label {text_of(best)}")
    return Choice(keep=0, trash=unlabelled[1:])
