"""watch-log: whoever follows hears everything, at once; whoever does not read stops nobody."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import put
from tests.support.commands import BIN, Start, imgscore

Rows = Iterator[dict[str, Any]]


@contextmanager
def following(*options: str) -> Iterator[subprocess.Popen[str]]:
    """A running `imgscore watch-log`; it follows when this begins."""
    command = [BIN / "imgscore", "watch-log", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "following" in process.stdout.readline()
        yield process
        process.terminate()


def rows(process: subprocess.Popen[str]) -> Rows:
    assert process.stdout is not None
    return map(json.loads, process.stdout)


def until(rows: Rows, event: str) -> list[dict[str, Any]]:
    """Rows up to the first of an event, which is the last."""
    found = []
    for row in rows:
        found.append(row)
        if row["event"] == event:
            return found
    raise AssertionError(f"no {event} in {found}")


def test_it_tells_what_happens(inbox: Path, start: Start) -> None:
    daemon = start()
    with following("--json") as process:
        told = rows(process)
        for kind, folder in (("sun", "keep"), ("text", "trash")):
            for path in put(inbox, kind, 6)[:3]:
                path.rename(inbox / folder / path.name)
        (inbox / "broken.png").write_bytes(b"no image")
        heard = until(told, "ordered")
        events = {row["event"] for row in heard}
        assert {"scored", "label", "trained", "rescored", "failed"} <= events
        labels = {row["path"]: row["label"] for row in heard if row["event"] == "label"}
        assert sorted(labels.values()) == ["keep"] * 3 + ["trash"] * 3
        assert all(f"/{label}/" in path for path, label in labels.items())
        (failed,) = [row for row in heard if row["event"] == "failed"]
        assert failed["path"] == str(inbox / "broken.png") and failed["reason"]
        assert heard[-1]["inbox"] == str(inbox) and heard[-1]["files"] > 0

        imgscore("label", "keep", inbox / "text-005.jpg")
        assert until(told, "label")[-1]["source"] == "cli"
        imgscore("pause")
        until(told, "paused")
        imgscore("resume")
        until(told, "resumed")
    assert {"paused", "resumed"} <= {row["event"] for row in daemon.status()["events"]}


def test_lines_are_for_people_and_names_are_harmless(inbox: Path, start: Start) -> None:
    start()
    with following() as process:
        assert process.stdout is not None
        (inbox / "odd\n\x1b[31m\u202e.png").write_bytes(b"no image")
        line = next(line for line in process.stdout if "failed" in line)
    assert "\\n\\x1b[31m\\u202e.png" in line and "\x1b" not in line


def test_a_restart_is_followed(inbox: Path, start: Start) -> None:
    daemon = start()
    with following("--json") as process:
        assert daemon.stop() == 0
        start()
        told = rows(process)
        until(told, "following")
        put(inbox, "sun", 1)
        until(told, "scored")


def test_it_needs_a_daemon(inbox: Path) -> None:
    assert imgscore("watch-log").code == 4
