"""Heads that learn from stars: the order, evaluate, explain, suspects, export and the daemon."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.commands import Start, imgscore, newest_first


def shades(folder: Path, count: int, first: int = 0) -> list[Path]:
    """Save noisy pictures from black to white into `folder`. Return their paths, darkest first."""
    files = []
    for number in range(first, first + count):
        generator = np.random.default_rng(number)
        level = 15 + 225 * (number - first) / max(count - 1, 1)
        pixels = np.clip(level + generator.normal(0, 12, (96, 96, 3)), 0, 255)
        files.append(folder / f"shade-{number:03d}.png")
        Image.fromarray(pixels.astype(np.uint8)).save(files[-1])
    return files


def rate(files: Sequence[Path], stars: Sequence[int]) -> None:
    """Label each file with its number of stars, after all files are indexed."""
    assert imgscore("scan").code == 0
    for text in sorted(set(stars)):
        chosen = [file for file, given in zip(files, stars, strict=True) if given == text]
        assert imgscore("label", str(text), *chosen).code == 0


def test_stars_teach_an_order_and_every_query_shows_grades(inbox: Path) -> None:
    rated, new = shades(inbox, 40), shades(inbox, 12, first=100)
    stars = [1 + 5 * number // 40 for number in range(40)]
    stars[38] = 1  # a mistake
    rate(rated, stars)
    trained = imgscore("train")
    assert trained.code == 0 and "pairwise accuracy" in trained.out
    quality = imgscore("evaluate", "--json").row["quality"]
    assert (quality["labels"], quality["undecided"], quality["measure"]) == (
        40, 8, "pairwise accuracy",
    )  # fmt: skip
    assert 0.7 < quality["pairwise_accuracy"]["value"] <= 1
    correlation = quality["rank_correlation"]
    assert correlation["low"] <= correlation["value"] <= correlation["high"]
    assert correlation["value"] > 0.5 and quality["auc"]["value"] > 0.8
    printed = imgscore("evaluate", "--doubtful").out
    assert "8 undecided" in printed and "pairwise accuracy" in printed
    assert "rank correlation" in printed and "AUC" in printed
    assert "1 star but" in printed

    scores = [row["score"] for row in imgscore("score", *new, "--json").rows]
    assert np.corrcoef(scores, range(12))[0, 1] > 0.8
    ordered = [name for name in newest_first(inbox) if name >= "shade-100"]
    assert min(ordered[:4]) >= "shade-106"

    suspect = imgscore("suspects", "-n", "1", "--json").row
    assert suspect["path"] == str(rated[38]) and suspect["label"] == "trash"
    explained = imgscore("explain", new[6], "--json").row
    assert {row["grade"] for row in explained["undecided"]} == {0.5}
    assert {row["label"] for row in explained["keeps"]} == {"keep"}
    assert {row["grade"] for row in explained["keeps"]} <= {0.7, 0.9}
    assert "3 stars" in imgscore("explain", new[6]).out
    assert "pairwise accuracy" in imgscore("heads", "list").out
    head = imgscore("heads", "list", "--json").rows[-1]
    assert head["report"]["quality"]["rank_correlation"]["value"] > 0.5
    assert len(imgscore("next", "-n", "3", "--json").rows) == 3
    page = imgscore("report", "--json").row["page"]
    text = Path(page).read_text(encoding="utf-8")
    assert "two images with different grades" in text and "undecided" in text


def test_stars_of_one_side_teach_an_order(inbox: Path) -> None:
    """A person who rates only good images gives three to five stars, and has no trash."""
    rated, new = shades(inbox, 30), shades(inbox, 10, first=100)
    rate(rated, [3 + number // 10 for number in range(30)])
    trained = imgscore("train")
    assert trained.code == 0 and "pairwise accuracy" in trained.out
    scores = [row["score"] for row in imgscore("score", *new, "--json").rows]
    assert np.corrcoef(scores, range(10))[0, 1] > 0.8
    quality = imgscore("evaluate", "--json").row["quality"]
    assert quality["auc"] is None and quality["average_precision"] is None
    assert quality["pairwise_accuracy"]["value"] > 0.8
    printed = imgscore("evaluate").out
    assert "pairwise accuracy" in printed and "AUC" not in printed
    assert imgscore("suspects").code == 0
    assert imgscore("explain", new[0], "--json").row["trashes"] == []
    assert imgscore("report", "--json").code == 0


def test_explain_without_labels_of_one_side_prints_no_empty_heading(inbox: Path) -> None:
    rated = shades(inbox, 6)
    rate(rated, [1, 1, 1, 3, 3, 3])
    assert imgscore("train").code == 0
    out = imgscore("explain", rated[0]).out
    assert "of your trashes" in out and "of your undecided images" in out
    assert "of your keeps" not in out


def test_daemon_learns_a_changed_star(inbox: Path, start: Start) -> None:
    rated, (new,) = shades(inbox, 20), shades(inbox, 1, first=100)
    daemon = start()
    rate(rated, [2 + number // 5 for number in range(20)])
    daemon.settle()
    head = daemon.status()["head"]
    assert imgscore("heads", "list", "--json").rows[-1]["report"]["quality"]["measure"] != "AUC"
    before = imgscore("score", new, "--json").row["score"]
    rate(rated[:4], [5, 5, 5, 5])
    daemon.settle()
    assert daemon.status()["head"] != head
    assert imgscore("score", new, "--json").row["score"] > before
