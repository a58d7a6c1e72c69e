"""Verbs on two tastes: without --taste they work on both, and say which row belongs to which."""

from pathlib import Path

import pytest

from imgscore import paths
from tests.conftest import put
from tests.support.commands import FAST_TOML, imgscore


@pytest.fixture
def tastes(tmp_path: Path) -> dict[str, Path]:
    """Two inboxes with two tastes. The second one likes what the first one dislikes."""
    inboxes = {"photos": tmp_path / "photos", "memes": tmp_path / "memes"}
    for taste, inbox in inboxes.items():
        assert imgscore("init", inbox, "--taste", taste).code == 0
        liked, disliked = ("sun", "text") if taste == "photos" else ("text", "sun")
        put(inbox / "keep", liked, 6)
        put(inbox / "trash", disliked, 6)
        put(inbox, "sun", 3, first=20)
        put(inbox, "text", 3, first=20)
    with paths.config_file().open("a") as file:
        file.write(f'{FAST_TOML}on_battery = "work"\n')
    assert imgscore("scan").code == 0
    return inboxes


def test_verbs_without_a_taste_list_the_rows_of_all_tastes(tastes: dict[str, Path]) -> None:
    names = list(tastes)
    lists = [["next"], ["suspects", "-n", "3"], ["heads", "list"], ["evaluate"], ["train"]]
    for command in [*lists, ["compare", "--list"]]:
        rows = imgscore(*command, "--json").rows
        assert {row["taste"] for row in rows} == set(names) or command[0] == "suspects", command
        for name in names:
            one = imgscore(*command, "--taste", name, "--json").rows
            assert {row["taste"] for row in one} <= {name}
            if command[0] == "next":
                assert [row for row in rows if row["taste"] == name] == one
                assert all(row["path"].startswith(f"{tastes[name]}/") for row in one)
    shown = imgscore("next", "-n", "1").out.splitlines()
    assert [line for line in shown if line.startswith("taste ")] == [f"taste {n}:" for n in names]
    assert "taste memes:" not in imgscore("next", "--taste", "memes").out
    assert imgscore("heads", "list").out.count("taste ") == 2


def test_score_label_and_explain_name_the_taste_of_the_file(
    tastes: dict[str, Path], tmp_path: Path
) -> None:
    photo, meme = tastes["photos"] / "sun-020.png", tastes["memes"] / "sun-020.png"
    rows = imgscore("score", photo, meme, "--json").rows
    assert [row["taste"] for row in rows] == ["photos", "memes"]
    assert rows[0]["score"] > 0.5 > rows[1]["score"]
    assert imgscore("score", photo).out.endswith("[photos]\n")
    (outside,) = put(tmp_path, "sun", 1, first=40)
    rows = imgscore("score", outside, "--json").rows
    assert [row["taste"] for row in rows] == ["photos", "memes"]
    explained = imgscore("explain", outside, "--json").rows
    assert [row["taste"] for row in explained] == ["photos", "memes"]
    refused = imgscore("label", "keep", outside, photo, "--json")
    assert refused.code == 1
    assert [(row["label"], row["taste"]) for row in refused.rows] == [
        (None, None),
        ("keep", "photos"),
    ]
    assert "--taste with one of these tastes: photos, memes" in refused.rows[0]["error"]
    assert imgscore("label", "keep", outside, "--taste", "memes", "--json").row["taste"] == "memes"


def test_verbs_that_need_one_taste_refuse_two_and_name_them(
    tastes: dict[str, Path], tmp_path: Path
) -> None:
    for command in (
        ["import-labels", "--keep", tastes["photos"] / "keep"],
        ["export", tmp_path / "all.parquet"],
        ["evaluate", "--plot", tmp_path / "plot.svg"],
        ["report", "--quick", "--output", tmp_path / "page.html"],
        ["heads", "use", imgscore("heads", "list", "--json").rows[0]["head"]],
    ):
        done = imgscore(*command)
        assert done.code == 2, (command, done)
        assert "photos" in done.err and "memes" in done.err, done.err
    assert imgscore("export", tmp_path / "all.parquet", "--taste", "memes").code == 0
    assert imgscore("import", tmp_path / "all.parquet").code == 2


def test_verbs_with_a_wrong_taste_exit_2_and_name_the_tastes(tastes: dict[str, Path]) -> None:
    photo = tastes["photos"] / "sun-020.png"
    commands: list[list[str | Path]] = [
        ["next"], ["suspects"], ["evaluate"], ["train"], ["heads", "list"], ["score", photo],
        ["explain", photo], ["label", "keep", photo], ["report"], ["export", "x.parquet"],
        ["import-labels", "--keep", photo.parent], ["review", "--no-open"],
    ]  # fmt: skip
    for command in commands:
        done = imgscore(*command, "--taste", "wrong")
        assert done.code == 2, (command, done)
        assert "there is no taste 'wrong'" in done.err
        assert "memes, photos" in done.err


@pytest.mark.parametrize("name", ["", "new/taste", "-x", "é", "a" * 65, "memes\n"])
def test_verbs_with_an_impossible_taste_exit_2_and_say_what_to_write(name: str) -> None:
    for command in (["next"], ["evaluate"], ["label", "keep", "a.png"], ["heads", "list"]):
        done = imgscore(*command, f"--taste={name}")
        assert done.code == 2 and "a taste cannot have this name" in done.err, command
        assert "restart" not in done.err and "memes" in done.err


def test_report_without_a_taste_makes_a_page_for_each_taste(tastes: dict[str, Path]) -> None:
    done = imgscore("report", "--quick", "--json")
    assert done.code == 0, done.err
    assert [row["taste"] for row in done.rows] == list(tastes)
    assert len({row["page"] for row in done.rows}) == 2
    assert all(Path(row["page"]).exists() for row in done.rows)
    only = imgscore("report", tastes["memes"], "--quick", "--json")
    assert only.row["taste"] == "memes"


def test_train_and_evaluate_of_a_taste_without_labels_do_the_others(
    tastes: dict[str, Path], tmp_path: Path
) -> None:
    new = tmp_path / "new"
    assert imgscore("init", new, "--taste", "new").code == 0
    put(new, "sun", 1, first=60)
    for command in ("train", "evaluate"):
        done = imgscore(command, "--json")
        assert done.code == 1
        assert [row["taste"] for row in done.rows] in (["memes", "photos"], ["photos", "memes"])
        assert "new" in done.err
