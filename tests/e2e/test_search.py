"""Search by words under a running daemon, with tiny models in each published layout."""

import os
from pathlib import Path

import pytest

from tests.conftest import draw, put
from tests.support import onnx_checkpoints, uform_checkpoint
from tests.support.commands import Start, imgscore, newest_first


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP model that was trained on suns and texts."""
    lessons = [
        (draw(kind, 500 + number).convert("RGB"), kind)
        for kind in ("sun", "text")
        for number in range(12)
    ]
    return onnx_checkpoints.clip(tmp_path_factory.mktemp("model") / "taught", lessons=lessons)


def found(*arguments: str | Path) -> list[str]:
    answer = imgscore("search", *arguments, "--json")
    assert answer.code == 0, answer.err
    return [Path(row["path"]).name for row in answer.rows]


def test_search_under_the_daemon_puts_fitting_images_first(
    inbox: Path, start: Start, taught: Path, tmp_path: Path
) -> None:
    assert imgscore("model", "use", taught).code == 0
    put(inbox, "sun", 20)
    put(inbox, "text", 20)
    daemon = start()
    daemon.settle()
    assert {name[:3] for name in found("-n", "15", "sun")} == {"sun"}
    assert {name[:3] for name in found("-n", "15", "text")} == {"tex"}
    assert found("--count", "40", "sun")[:20] != found("--count", "40", "text")[:20]
    rows = imgscore("search", "sun", "-n", "40", "--json").rows
    similarities = [row["similarity"] for row in rows]
    assert len(rows) == 40 and similarities == sorted(similarities, reverse=True)
    assert {(row["score"], row["label"], row["error"]) for row in rows} == {(None, None, None)}
    # A folder limits the search, and the file that was moved away is not found.
    (inbox / "sub").mkdir()
    (inbox / "sun-000.png").rename(inbox / "sub" / "sun-000.png")
    (inbox / "sun-001.jpg").rename(tmp_path / "elsewhere.jpg")
    daemon.settle()
    assert found("--folder", inbox / "sub", "text") == ["sun-000.png"]
    assert "sun-001.jpg" not in found("-n", "40", "sun")
    missing = imgscore("search", "--folder", inbox / "nowhere", "sun")
    assert missing.code == 2 and "does not exist" in missing.err
    # The whole weight on the taste: kept images first, whatever the words.
    for path in sorted(inbox.glob("text-*"))[:6]:
        path.rename(inbox / "keep" / path.name)
    for path in sorted(inbox.glob("sun-*"))[:6]:
        path.rename(inbox / "trash" / path.name)
    daemon.until(lambda status: status["head"], "a head")
    daemon.settle()
    liked = found("-n", "8", "--taste-weight", "1", "sun")
    assert {name[:3] for name in liked} == {"tex"}
    assert {name[:3] for name in found("-n", "8", "sun")} == {"sun"}


def test_search_links_are_numbered_and_replaced_and_other_files_stay(
    inbox: Path, taught: Path, tmp_path: Path
) -> None:
    assert imgscore("model", "use", taught).code == 0
    put(inbox, "sun", 3)
    put(inbox, "text", 3)
    assert imgscore("scan").code == 0
    folder = tmp_path / "links"
    for count in ("5", "2"):
        assert imgscore("search", "sun", "-n", count, "--links", folder).code == 0
    names = sorted(name for name in os.listdir(folder) if name != ".imgscore-links")
    assert [name[:8] for name in names] == ["0001 sun", "0002 sun"]
    assert not os.path.isabs(os.readlink(folder / names[0]))
    assert (folder / names[0]).resolve().parent == inbox
    (folder / "mine.txt").write_text("mine")
    assert imgscore("search", "sun", "-n", "1", "--links", folder).code == 0
    assert sorted(os.listdir(folder)) == [".imgscore-links", names[0], "mine.txt"]
    assert imgscore("links", folder, "--remove").code == 0
    assert os.listdir(folder) == ["mine.txt"]
    for refused, text in ((folder, "mine.txt"), (inbox, "is an inbox"), (inbox / "keep", "keep")):
        done = imgscore("search", "sun", "--links", refused)
        assert done.code == 2 and text in done.err, done.err
    assert (folder / "mine.txt").read_text() == "mine" and len(os.listdir(folder)) == 1
    assert imgscore("links", tmp_path / "best", "--watch").code == 0
    done = imgscore("search", "sun", "--links", tmp_path / "best")
    assert done.code == 2 and "the daemon keeps" in done.err


def test_search_without_text_side_names_a_model_that_has_one(inbox: Path) -> None:
    put(inbox, "sun", 2)
    refused = imgscore("search", "sun")
    assert refused.code == 1
    assert "efficientnet-lite0" in refused.err and "imgscore model download" in refused.err
    assert imgscore("search").code == 2
    assert imgscore("search", "-n", "0", "sun").code == 2


def test_each_published_layout_is_indexed_and_searched_by_the_daemon(
    inbox: Path, start: Start, tmp_path: Path
) -> None:
    make = onnx_checkpoints
    models = {
        "uform": uform_checkpoint.make(tmp_path / "uform"),
        "siglip": make.siglip(tmp_path / "siglip"),
        "open_clip": make.open_clip(tmp_path / "open_clip"),
        "dino": make.dino(tmp_path / "dino"),
    }
    put(inbox, "sun", 8)
    put(inbox, "text", 8)
    daemon = start()
    daemon.settle()
    checked = imgscore("model", "check", models["siglip"], "--json")
    assert checked.code == 0 and checked.row["search"], checked.err
    assert "images a second" in imgscore("model", "check", models["dino"]).out
    embedders = {daemon.status()["embedder"]}
    for name, folder in models.items():
        answer = imgscore("model", "use", folder, "--json")
        assert answer.code == 0, answer.err
        daemon.until(
            lambda status, id=answer.row["embedder"]: status["embedder"] == id, "the new model"
        )
        daemon.settle()
        embedders.add(answer.row["embedder"])
        row = next(row for row in imgscore("model", "list", "--json").rows if row["in_use"])
        assert (row["vectors"], row["search"]) == (16, name != "dino")
        if name == "dino":
            refused = imgscore("search", "sun")
            assert refused.code == 1 and "no text encoder" in refused.err
        else:
            assert len(found("-n", "20", "sun over the moon")) == 16
    assert len(embedders) == 5


def test_init_with_words_orders_before_the_first_label_and_yields_to_labels(
    inbox: Path, start: Start, taught: Path
) -> None:
    warned = imgscore("init", inbox, "--like", "sun", "--dislike", "text")
    assert warned.code == 0 and "no text encoder" in warned.err
    assert imgscore("model", "use", taught).code == 0
    put(inbox, "sun", 15)
    put(inbox, "text", 15)
    daemon = start()
    status = daemon.settle()
    assert status["head"] == "1" and status["watches"][0]["scored"] == 30
    assert {name[:3] for name in newest_first(inbox)[:12]} == {"sun"}
    (head,) = imgscore("heads", "list", "--json").rows
    assert (head["labels"], head["report"]["kind"]) == (0, "words")
    assert head["report"]["settings"] == {"like": ["sun"], "dislike": ["text"]}
    assert imgscore("heads", "list").code == 0
    explained = imgscore("explain", inbox / "sun-001.jpg")
    assert explained.code == 2 and "too few labels" in explained.err
    # The words are wrong: the person keeps texts.
    for number in range(4):
        suffix = "jpg" if number % 2 else "png"
        for kind, label in (("text", "keep"), ("sun", "trash")):
            name = f"{kind}-{number:03d}.{suffix}"
            (inbox / name).rename(inbox / label / name)
    daemon.until(lambda status: status["head"] not in (None, "1"), "a head from labels")
    daemon.settle()
    assert {name[:3] for name in newest_first(inbox)[:9]} == {"tex"}
    # After a restart, the words do not come back.
    assert daemon.stop() == 0
    daemon.start()
    daemon.settle()
    assert len(imgscore("heads", "list", "--json").rows) >= 2
    assert daemon.status()["head"] != "1"
