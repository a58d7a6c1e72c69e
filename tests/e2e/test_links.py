"""`imgscore links`: a folder of links to the best images, without and with the daemon."""

import os
import shutil
from pathlib import Path

from imgscore.testing import Row
from tests.conftest import put
from tests.support.commands import Start, imgscore


def taught(inbox: Path) -> None:
    """Labels and unlabelled images; suns are kept."""
    for folder, kind in ((inbox / "keep", "sun"), (inbox / "trash", "text")):
        put(folder, kind, 6)
    for kind in ("sun", "text"):
        put(inbox, kind, 6, first=20)
    assert imgscore("scan").code == 0
    assert imgscore("train").code == 0


def links(folder: Path, *options: str) -> list[Row]:
    done = imgscore("links", folder, *options, "--json")
    assert done.code == 0, done.err
    return done.rows


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_links_lead_to_kept_images_and_then_to_the_highest_scores(
    inbox: Path, tmp_path: Path
) -> None:
    taught(inbox)
    best = tmp_path / "best"
    dry = links(best, "--top", "9", "--rank-prefix", "--dry-run")
    assert not best.exists() and {row["change"] for row in dry} == {"made"}
    rows = links(best, "--top", "9", "--rank-prefix")
    assert [{**row, "dry_run": True} for row in rows] == dry
    assert [row["label"] for row in rows] == ["keep"] * 6 + [None] * 3
    assert [row["rank"] for row in rows] == list(range(1, 10))
    scores = [row["score"] for row in rows]
    assert scores[6:] == sorted(scores[6:], reverse=True)
    assert names(best) == [Path(row["path"]).name for row in rows]
    assert [name[:5] for name in names(best)] == [f"{rank:04} " for rank in range(1, 10)]
    for row in rows:
        assert Path(row["path"]).resolve() == Path(row["image"])
        assert not os.path.isabs(os.readlink(row["path"]))
        assert "sun" in row["image"]
    assert "9 images (9 kept)" in imgscore("links", best, "--top", "9", "--rank-prefix").err
    # No trashed image, however many are asked for.
    assert {row["change"] for row in links(best, "--top", "100")} == {"made", "renamed"}
    assert len(names(best)) == 18
    links(best, "--min-score", "0.99")
    assert 6 <= len(names(best)) < 18
    assert imgscore("links", best, "--remove").code == 0
    assert not best.exists()
    assert imgscore("links", best, "--remove").code == 1


def test_links_follow_a_new_label(inbox: Path, tmp_path: Path) -> None:
    taught(inbox)
    best = tmp_path / "best"
    links(best, "--top", "8")
    worst = inbox / "text-020.png"
    assert imgscore("label", "keep", worst).code == 0
    rows = links(best, "--top", "8")
    assert rows[0]["image"] == os.fspath(worst)
    trashed = rows[1]["image"]
    assert imgscore("label", "trash", trashed).code == 0
    rows = links(best, "--top", "100")
    assert trashed not in [row["image"] for row in rows if row["change"] != "removed"]


def test_links_choose_one_file_of_copies_and_of_a_raw_with_jpeg(
    inbox: Path, tmp_path: Path
) -> None:
    taught(inbox)
    shutil.copy(inbox / "sun-020.png", inbox / "Copy of sun-020.png")
    shutil.copy(inbox / "keep/sun-000.png", inbox / "again.png")
    assert imgscore("scan").code == 0
    found = [row["image"] for row in links(tmp_path / "best", "--top", "100")]
    assert [row for row in found if row.endswith("sun-020.png")] == [str(inbox / "sun-020.png")]
    assert os.fspath(inbox / "keep/sun-000.png") in found
    assert os.fspath(inbox / "again.png") not in found


def test_links_folder_in_an_inbox_is_not_indexed(inbox: Path, start: Start) -> None:
    taught(inbox)
    daemon = start()
    daemon.settle()
    files = daemon.status()["watches"][0]["files"]
    for option in ("--copy", "--hard"):
        for place in (inbox / "best", inbox / "keep/best", inbox / "trash/best"):
            links(place, "--top", "5", option)
            links(place, "--top", "7", option)
    daemon.settle()
    assert imgscore("scan").code == 0
    watch = daemon.status()["watches"][0]
    assert (watch["files"], watch["keep"], watch["trash"]) == (files, 6, 6)
    refused = imgscore("init", inbox / "best")
    assert refused.code == 3 and "is a folder of links" in refused.err
    for place in (inbox / "best", inbox / "keep/best", inbox / "trash/best"):
        assert imgscore("links", place, "--remove").code == 0
        assert not place.exists()


def test_links_refuses_folders_that_contain_images(inbox: Path, tmp_path: Path) -> None:
    taught(inbox)
    (inbox / "holiday").mkdir()
    put(inbox / "holiday", "sun", 1, first=90)
    for folder, text in (
        (inbox, "is an inbox that imgscore watches"),
        (inbox / "keep", "is a keep folder that imgscore watches"),
        (tmp_path, "would include"),
        (inbox / "holiday", "contains sun-090.png"),
        (Path("/usr/best"), "folder of the system"),
    ):
        before = sorted(folder.iterdir()) if folder.exists() else None
        done = imgscore("links", folder)
        assert done.code == 2 and text in done.err, done.err
        assert (sorted(folder.iterdir()) if folder.exists() else None) == before
    both = imgscore("links", tmp_path / "best", "--hard", "--copy")
    assert both.code == 2 and "exclude" in both.err


def test_links_without_labels_says_so(inbox: Path, tmp_path: Path) -> None:
    put(inbox, "sun", 2)
    assert imgscore("scan").code == 0
    done = imgscore("links", tmp_path / "best")
    assert done.code == 0 and "no image has a label or a score yet" in done.err


def test_links_without_the_disk_of_the_images_names_the_missing_folder(
    inbox: Path, tmp_path: Path
) -> None:
    taught(inbox)
    inbox.rename(tmp_path / "elsewhere")
    done = imgscore("links", tmp_path / "best")
    assert done.code == 0 and "is missing, so the images in it are left out" in done.err
    assert "no image has a label" not in done.err


def test_links_of_a_missing_or_empty_inbox_are_refused_and_stay(
    inbox: Path, tmp_path: Path
) -> None:
    taught(inbox)
    folder = tmp_path / "best"
    links(folder)
    before = sorted(os.listdir(folder))
    assert len(before) > 1
    inbox.rename(tmp_path / "elsewhere")
    for options in ((), ("--dry-run",), ("--hard",)):
        done = imgscore("links", folder, *options)
        assert done.code == 1 and f"{inbox} is missing or empty" in done.err, done.err
        assert "imgscore unwatch" in done.err
    assert sorted(os.listdir(folder)) == before
    (tmp_path / "elsewhere").rename(inbox)
    assert imgscore("links", folder).code == 0


def test_links_remove_of_a_missing_folder_says_what_to_give(inbox: Path, tmp_path: Path) -> None:
    taught(inbox)
    done = imgscore("links", tmp_path / "none", "--remove")
    assert done.code == 1 and "does not exist" in done.err and "imgscore status" in done.err


def test_hard_links_do_not_keep_the_dates_of_their_images(
    inbox: Path, start: Start, tmp_path: Path
) -> None:
    taught(inbox)
    for folder in (tmp_path / "best\n", inbox / "best"):
        links(folder, "--top", "100", "--hard")
    shutil.copy(inbox / "text-025.jpg", tmp_path / "archive.jpg")
    os.link(inbox / "text-024.png", tmp_path / "linked.png")
    for path in inbox.glob("*-02?.*"):
        os.utime(path, (1_200_000_000, 1_200_000_000))
    daemon = start()
    daemon.settle()
    assert daemon.status()["watches"][0]["left_alone"] == {"hard links": 1}
    dates = {path.name: path.stat().st_mtime for path in inbox.glob("*-02?.*")}
    assert dates.pop("text-024.png") == 1_200_000_000
    assert len(set(dates.values())) == len(dates)
    best = max(dates, key=lambda name: dates[name])
    assert best.startswith("sun")
    # The links have the dates of their images.
    assert (inbox / "best" / best).stat().st_mtime == dates[best]
