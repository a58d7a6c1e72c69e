"""Stores that version 0.1.0 made: labels, heads, scores, original dates and history stay.

tests/support/make_store.py made them, with the oldest and with the newest store of this version.
"""

import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import imgscored as imgscored_package
import pytest

import imgscore as imgscore_package
from imgscore import paths
from imgscore.testing import Sandbox
from tests.support.commands import Start, imgscore

STORES = Path(__file__).parents[1] / "support" / "stores"


@pytest.fixture(params=["0.1.0-schema-2", "0.1.0-schema-3"])
def expected(request: pytest.FixtureRequest, inbox: Path, sandbox: Sandbox) -> dict[str, Any]:
    """The inbox and the data folder of 0.1.0; returns what that version said about the files."""
    with tarfile.open(STORES / f"{request.param}.tar.xz") as archive:
        members = archive.getmembers()
        for member in members:
            member.name = member.name.replace("data/", f"{paths.data_folder().parent}/", 1)
        for member in members:
            if member.isfile():
                target = Path(member.name)
                target = target if target.is_absolute() else inbox.parent / target
                target.parent.mkdir(parents=True, exist_ok=True)
                stream = archive.extractfile(member)
                assert stream is not None
                target.write_bytes(stream.read())
                os.utime(target, (member.mtime, member.mtime))
    said: dict[str, Any] = json.loads((inbox.parent / "expected.json").read_text())
    return said


def rows(*arguments: str | Path) -> list[dict[str, Any]]:
    done = imgscore(*arguments, "--json")
    assert done.code == 0, done.out + done.err
    return [json.loads(line) for line in done.out.splitlines()]


def labels(inbox: Path) -> dict[str, str | None]:
    files = sorted(inbox.rglob("*.png"))
    return {Path(row["path"]).name: row["label"] for row in rows("score", *files)}


def test_upgrade_without_a_daemon_keeps_everything(inbox: Path, expected: dict[str, Any]) -> None:
    assert imgscore("db", "check").code == 0
    history = rows("history")
    assert sum("taste" in row or "label" in row for row in history) >= 4
    old = {name: row["label"] for name, row in expected["rows"].items()}
    assert labels(inbox) == old
    rows("scan")
    assert labels(inbox) == old
    newest = sorted(inbox.glob("*.png"), key=lambda file: -file.stat().st_mtime)
    kinds = [file.name.partition("-")[0] for file in newest]
    assert kinds == [name.partition("-")[0] for name in expected["order"]]
    # The store was made elsewhere: the originals are found by the content of the files.
    rows("restore-times")
    dates = {file.name: int(file.stat().st_mtime) for file in inbox.glob("*.png")}
    assert dates == {name: expected["original"][name] for name in dates}


def test_upgrade_with_a_daemon_keeps_labels_and_dates(
    inbox: Path, expected: dict[str, Any], start: Start
) -> None:
    sandbox = start()
    sandbox.settle()
    assert labels(inbox) == {name: row["label"] for name, row in expected["rows"].items()}
    (inbox / "sun-2.png").rename(inbox / "keep" / "sun-2.png")
    sandbox.settle()
    assert labels(inbox)["sun-2.png"] == "keep"
    kept = (inbox / "keep" / "sun-2.png").stat()
    assert int(kept.st_mtime) == expected["original"]["sun-2.png"]


def test_upgrade_while_the_daemon_runs_is_named_in_errors(
    inbox: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon imports a module of the new version beside those of the old one."""
    site = tmp_path / "site"
    for package in (imgscore_package, imgscored_package):
        (folder,) = package.__path__
        shutil.copytree(folder, site / Path(folder).name)
    monkeypatch.setenv("PYTHONPATH", str(site))
    with sandbox:
        sandbox.start()
        module = site / "imgscore" / "verbs" / "suspects.py"
        changed = "\n\ndef run(engine, request):\n    yield engine.removed\n"
        module.write_text(module.read_text() + changed)
        done = imgscore("suspects")
        assert done.code == 1 and "'removed'" in done.err
        assert "imgscore was upgraded while the daemon ran" in done.err
        assert "imgscore stop, then imgscore start" in " ".join(done.err.split())
        assert imgscore("status").code == 0
        assert sandbox.stop() == 0
