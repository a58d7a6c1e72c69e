"""The ranking of a search."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgscore.workers.queries import ImageFound
from imgscore.workers.search import _best_first, _by_similarity_and_score

COSINES = st.lists(st.floats(-1, 1, width=32), max_size=60)


@given(COSINES, st.integers(1, 70))
def test_best_first_yields_each_row_once_by_its_cosine(values: list[float], count: int) -> None:
    cosines = np.array(values, np.float32)
    rows = list(_best_first(cosines, count))
    assert sorted(rows) == list(range(len(values)))
    assert [values[row] for row in rows] == sorted(values, reverse=True)


def image(similarity: float, score: float | None) -> ImageFound:
    return ImageFound(bytes(32), b"/a", similarity, score)


def test_by_similarity_and_score_changes_with_the_weight() -> None:
    fits, liked, unknown = image(0.30, 0.1), image(0.25, 0.9), image(0.20, None)
    rows = [fits, liked, unknown]
    assert _by_similarity_and_score(rows, 0.01) == [fits, liked, unknown]
    assert _by_similarity_and_score(rows, 1.0) == [liked, unknown, fits]
    assert _by_similarity_and_score([unknown], 1.0) == [unknown]
