"""review --move: files go where their label says, and come back; nothing is written over."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgscore import places
from imgscore.cli import moving
from imgscore.store import labels
from imgscore.store.store import Store
from tests.conftest import put
from tests.e2e.conftest import Daemon, imgscore
from tests.e2e.review.conftest import OLD_NS, Visitor, asked, history, reviewing


def test_files_move_when_asked_to(taught: Path, start: Callable[..., Daemon]) -> None:
    daemon = start()
    daemon.settle()
    (taught / "keep" / "sun-007.jpg").write_text("another")
    before = {path: path.stat().st_ino for path in taught.glob("*.*")}
    with reviewing("--move") as url:
        owner = Visitor(url)
        base, data = owner.begin(url)
        numbers = {image[0]: (n, image[2]) for n, image in enumerate(data["images"])}

        def say(what: str, name: str, **more: str) -> dict[str, Any]:
            number, digest = numbers[name]
            status, _, body = owner.ask(base + what, {"image": number, "sha256": digest, **more})
            assert status == 200, body
            found: dict[str, Any] = json.loads(body)
            return found

        kept, trashed = taught / "keep" / "sun-005.jpg", taught / "trash" / "sun-006.png"
        row = say("label", "sun-005.jpg", label="keep")
        assert row["error"] is None, row["error"]
        assert (row["path"], row["place"]) == (str(kept), "keep")
        assert kept.stat().st_ino == before[taught / kept.name]
        say("label", "sun-006.png", label="trash")
        assert trashed.exists()
        refused = say("label", "sun-007.jpg", label="keep")
        assert refused["label"] == "keep" and "is there already" in refused["error"]
        assert (taught / "sun-007.jpg").exists()
        assert (taught / "keep" / "sun-007.jpg").read_text() == "another"

        daemon.settle()
        assert kept.stat().st_mtime_ns == trashed.stat().st_mtime_ns == OLD_NS  # its own date
        assert say("undo", "sun-006.png")["place"] == "inbox"
        assert (taught / "sun-006.png").exists() and not trashed.exists()
        say("label", "sun-006.png", label="trash")  # it is where the page thinks it is
        assert trashed.exists()
    moves = [row["moved"] for row in history() if row["what"] == "label" and row["moved"]]
    assert [[str(taught / "sun-006.png"), str(trashed)]] == moves[0]

    undone = imgscore("undo", "label", "--json").row
    assert undone["label"] is None and undone["error"] is None and undone["moved"], history()[:6]
    assert (taught / "sun-006.png").exists() and not trashed.exists()
    daemon.settle()
    assert imgscore("score", taught / "sun-006.png", "--json").row["label"] is None
    # What was moved by us and is moved back by hand is cleared, as any other.
    kept.rename(taught / kept.name)
    daemon.settle()
    assert imgscore("score", taught / kept.name, "--json").row["label"] is None
    assert imgscore("db", "check").code == 0


def test_siblings_move_together(inbox: Path) -> None:
    (image,) = put(inbox, "sun", 1, first=1)
    sidecar = inbox / "sun-001.xmp"
    sidecar.write_text("<x/>")
    put(inbox, "text", 2)
    assert imgscore("scan").code == 0
    with reviewing("--move") as url:
        owner = Visitor(url)
        base, data = owner.begin(url)
        (number,) = [n for n, one in enumerate(data["images"]) if one[0] == image.name]
        said = {"image": number, "sha256": data["images"][number][2]}
        assert owner.ask(base + "label", {**said, "label": "trash"})[0] == 200
        assert sorted(one.name for one in (inbox / "trash").iterdir()) == [image.name, sidecar.name]
        assert owner.ask(base + "undo", said)[0] == 200
        assert image.exists() and sidecar.exists()
        (inbox / "trash" / sidecar.name).write_text("another's")
        row = json.loads(owner.ask(base + "label", {**said, "label": "trash"})[2])
        assert "sun-001.xmp stays" in row["error"] and image.exists() and sidecar.exists()


@pytest.mark.parametrize("by_verb", [False, True])
@pytest.mark.parametrize("told", [False, True])
def test_a_label_holds_where_its_file_could_not_be_moved(
    taught: Path, told: bool, by_verb: bool
) -> None:
    """As when the command is killed between the log and the move; `told`: as when it fails."""
    assert imgscore("scan").code == 0
    path = taught / "sun-005.jpg"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    row = said = asked(sha256=digest, path=str(path), label="keep", move=True)
    assert row["moved"] == [[str(path), str(taught / "keep" / path.name)]] and path.exists()
    if told:
        row = said = asked(sha256=digest, path=str(path), stayed=True)
        assert (row["path"], row["label"], row["moved"]) == (str(path), "keep", [])
        assert history()[0]["source"] == "cli" and history()[0]["path"] == str(path)
    path = path.rename(path.with_name("renamed.jpg"))  # no move back from where it never was
    assert imgscore("scan").code == 0
    assert imgscore("score", path, "--json").row["label"] == "keep"
    path = path.rename(taught / "sun-005.jpg")
    assert imgscore("scan").code == 0
    if by_verb:
        row = imgscore("undo", "label", "--json").row
    else:
        row = asked(sha256=digest, path=str(path), undo=said["number"])
    assert (row["label"], row["moved"], row["error"]) == (None, [], None)
    assert path.exists() and not (taught / "keep" / path.name).exists()


def test_what_another_review_has_moved_stays_there(taught: Path) -> None:
    """Nothing is moved by a review that was not told to move."""
    assert imgscore("scan").code == 0
    path, kept = taught / "sun-005.jpg", taught / "keep" / "sun-005.jpg"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for options in (("--move",), ()):
        with reviewing(*options) as url:
            owner = Visitor(url)
            base, data = owner.begin(url)
            (number,) = [n for n, one in enumerate(data["images"]) if one[2] == digest]
            said = {"image": number, "sha256": digest}
            assert owner.ask(base + "label", {**said, "label": "keep"})[0] == 200
            assert imgscore("scan").code == 0
            if not options:
                assert owner.ask(base + "undo", said)[0] == 409
            assert kept.exists() and not path.exists()


def test_a_dry_run_moves_nothing_back(taught: Path) -> None:
    assert imgscore("scan").code == 0
    path, kept = taught / "sun-005.jpg", taught / "keep" / "sun-005.jpg"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    row = moving.label({"sha256": digest, "path": str(path), "taste": "default",
                        "label": "keep", "move": True})  # fmt: skip
    assert row["error"] is None and kept.exists()
    config = places.config_file()
    config.write_text(f"dry_run = true\n{config.read_text()}")
    undone = imgscore("undo", "label", "--json")
    assert (undone.code, undone.row["moved"]) == (1, []) and "dry_run" in undone.row["error"]
    row = asked(sha256=digest, path=str(kept), undo=row["number"])
    assert row["moved"] == [] and kept.exists() and not path.exists()


def test_a_sibling_gets_its_own_label_back(inbox: Path) -> None:
    """One that had another label before both got this one."""
    raw, jpeg = inbox / "pair.nef", inbox / "pair.jpg"
    first, second = put(inbox, "sun", 2)
    first.rename(raw)
    assert imgscore("scan").code in (0, 1)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (raw, second)]
    asked(sha256=digests[0], path=str(raw), label="trash")
    second.rename(jpeg)
    assert imgscore("scan").code in (0, 1)
    row = asked(sha256=digests[1], path=str(jpeg), label="keep")
    assert labels_of(digests) == ["keep", "keep"]
    asked(sha256=digests[1], path=str(jpeg), undo=row["number"])
    assert labels_of(digests) == ["trash", None]


def labels_of(digests: list[str]) -> list[str | None]:
    """The labels that hold."""
    with Store(places.store_folder(), readonly=True) as store, store.read() as txn:
        found = [labels.current(txn, "default", bytes.fromhex(one)) for one in digests]
    return [one.label if one else None for one in found]
