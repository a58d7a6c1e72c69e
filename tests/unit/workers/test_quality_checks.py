"""The checks of the answers of a worker that a hostile image may have taken over."""

import math

import pytest

from imgscore.groups.best import Quality
from imgscore.store.schema import Fingerprint
from imgscore.workers.answer_checks import check
from imgscore.workers.messages import Answer, FileIndexed, WrongAnswerError
from imgscore.workers.quality_messages import MeasureQuality, QualityMeasured
from imgscore.workers.rating_messages import ReadRatings

TASK = MeasureQuality(b"/inbox/a.jpg", b"d" * 32)
GOOD = Quality(pixels=12, bytes=9, sharpness=1.0, detail=5.0, noise=0.0, step=1.0)


def test_check_of_a_possible_quality_accepts_it() -> None:
    check(TASK, QualityMeasured(GOOD), None)
    check(TASK, QualityMeasured(Quality()), None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("field", ["sharpness", "detail", "noise", "step", "highlights"])
def test_check_of_an_impossible_quality_raises(field: str, value: float) -> None:
    with pytest.raises(WrongAnswerError):
        check(TASK, QualityMeasured(GOOD._replace(**{field: value})), None)


def test_check_of_a_quality_of_another_task_raises() -> None:
    indexed = FileIndexed(Fingerprint(1, 2, 3, 4, 5), b"d" * 32)
    pairs: list[tuple[MeasureQuality | ReadRatings, Answer]] = [
        (TASK, indexed),
        (ReadRatings(b"/inbox/a.jpg"), QualityMeasured(GOOD)),
    ]
    for task, answer in pairs:
        with pytest.raises(WrongAnswerError):
            check(task, answer, None)
