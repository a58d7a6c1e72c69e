"""A taste that has comparisons and no labels: training, order, evaluation, suspects and explain."""

import shutil
from itertools import product
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.testing import eventually
from tests.conftest import put
from tests.support.commands import Start, imgscore


def suns_and_moons(inbox: Path) -> tuple[list[Path], list[Path]]:
    return put(inbox, "sun", 10), put(inbox, "moon", 10)


def prefer(better: list[Path], worse: list[Path], count: int) -> None:
    """Answer `count` pairs: each image of the first kind is better than one of the second."""
    pairs = list(product(range(len(better)), range(len(worse))))
    for first, second in pairs[:: max(1, len(pairs) // count)][:count]:
        done = imgscore("compare", better[first], worse[second], "--answer", "first", "--json")
        assert done.code == 0, done


def scores_of(files: list[Path]) -> list[float]:
    rows = imgscore("score", *files, "--json").rows
    assert all(row["calibrated"] is False for row in rows)
    return [row["score"] for row in rows]


def newest_first(inbox: Path) -> list[str]:
    files = sorted(inbox.glob("*.*"), key=lambda path: -path.stat().st_mtime_ns)
    return [path.name for path in files]


@pytest.mark.parametrize("with_daemon", [False, True])
def test_comparisons_alone_order_the_inbox(inbox: Path, start: Start, with_daemon: bool) -> None:
    suns, moons = suns_and_moons(inbox)
    daemon = start() if with_daemon else None
    if daemon is not None:
        daemon.settle()
    else:
        assert imgscore("scan").code == 0
    prefer(suns, moons, 9)
    needs = imgscore("status", "--json").row["watches"][0]["state"]
    assert needs == "needs 2 more keep and 2 more trash, or 1 more comparison"
    assert imgscore("train").code != 0
    prefer(suns, moons, 14)
    if daemon is not None:
        daemon.settle()
    else:
        assert imgscore("train").code == 0
        assert imgscore("order").code == 0
    eventually(lambda: all(name.startswith("sun") for name in newest_first(inbox)[:8]))
    assert min(scores_of(suns)) > max(scores_of(moons))


def test_comparisons_alone_are_reported_without_a_calibration(inbox: Path) -> None:
    suns, moons = suns_and_moons(inbox)
    assert imgscore("scan").code == 0
    prefer(suns, moons, 14)
    trained = imgscore("train", "--json").row
    assert (trained["labels"], trained["comparisons"], trained["used"]) == (0, 14, True)
    report = trained["report"]
    assert report["calibrated"] is False and "quality" not in report
    assert report["pairs"]["comparisons"] == 14
    assert "14 comparisons" in imgscore("heads", "list").out
    evaluated = imgscore("evaluate", "--json").row
    assert evaluated["quality"] is None and evaluated["pairs"]["accuracy"]["value"] > 0.9
    text = imgscore("evaluate", "--doubtful").out
    assert "not calibrated" in text and "doubtful labels: 0" in text
    explained = imgscore("explain", suns[0], "--json").row
    assert explained["calibrated"] is False
    assert explained["keeps"] == explained["trashes"] == []
    assert all("sun" in image["path"] for image in explained["better"])
    assert all("moon" in image["path"] for image in explained["worse"])
    assert "not calibrated" in imgscore("explain", suns[0]).out
    assert imgscore("next", "--json").code == 0
    assert imgscore("report").code == 0


def test_labels_after_comparisons_calibrate_the_scores(inbox: Path) -> None:
    suns, moons = suns_and_moons(inbox)
    assert imgscore("scan").code == 0
    prefer(suns, moons, 12)
    assert imgscore("label", "keep", *suns[:3]).code == 0
    assert imgscore("label", "trash", *moons[:3]).code == 0
    trained = imgscore("train", "--json").row
    assert (trained["labels"], trained["comparisons"]) == (6, 12)
    assert trained["report"]["calibrated"] is True
    assert imgscore("score", suns[5], "--json").row["calibrated"] is True
    assert imgscore("evaluate", "--json").row["pairs"]["comparisons"] == 12


def test_suspects_lists_a_comparison_that_labels_contradict(inbox: Path) -> None:
    suns, moons = suns_and_moons(inbox)
    assert imgscore("scan").code == 0
    assert imgscore("label", "keep", *suns[:4]).code == 0
    assert imgscore("label", "trash", *moons[:4]).code == 0
    prefer([moons[0]], [suns[0]], 1)
    rows = [row for row in imgscore("suspects", "--json").rows if row["worse"] is not None]
    assert [(row["path"], row["worse_path"]) for row in rows] == [(str(moons[0]), str(suns[0]))]
    assert rows[0]["label"] is rows[0]["score"] is rows[0]["twin"] is None
    listed = imgscore("suspects", "--no-thumbnails").out
    assert "was better than" in listed and "say the opposite" in listed


def test_undone_comparisons_no_longer_count(inbox: Path) -> None:
    suns, moons = suns_and_moons(inbox)
    assert imgscore("scan").code == 0
    prefer(suns, moons, 10)
    assert imgscore("train").code == 0
    assert imgscore("undo", "compare").code == 0
    assert imgscore("train").code != 0


def test_imported_head_is_not_replaced_by_comparisons_of_before(
    inbox: Path, start: Start, tmp_path: Path
) -> None:
    suns, moons = suns_and_moons(inbox)
    assert imgscore("scan").code == 0
    prefer(suns, moons, 10)
    assert imgscore("train").code == 0
    (weights,) = paths.heads_folder().rglob("*.safetensors")
    copy = shutil.copy(weights, tmp_path / "copy.safetensors")
    assert imgscore("heads", "import", copy).code == 0
    start().settle()
    assert [head["in_use"] for head in imgscore("heads", "list", "--json").rows] == [False, True]
