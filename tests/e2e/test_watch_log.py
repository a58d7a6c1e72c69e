"""`imgscore watch-log`: it prints every event at once, also over a restart of the daemon."""

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
    """A running `imgscore watch-log` that has printed its first event."""
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


def until(rows: Rows, *events: str) -> list[dict[str, Any]]:
    """The rows until each of these events was read, as often as it is named."""
    read: list[dict[str, Any]] = []
    missing = [*events]
    while missing and (row := next(rows, None)) is not None:
        read.append(row)
        if row["event"] in missing:
            missing.remove(row["event"])
    assert not missing, f"no {missing} in {read}"
    return read


def test_watch_log_json_prints_every_event(inbox: Path, start: Start) -> None:
    daemon = start()
    with following("--json") as process:
        events = rows(process)
        for kind, folder in (("sun", "keep"), ("text", "trash")):
            for path in put(inbox, kind, 6)[:3]:
                path.rename(inbox / folder / path.name)
        (inbox / "broken.png").write_bytes(b"no image")
        received = until(events, *["label"] * 6, "failed", "ordered")
        kinds = {row["event"] for row in received}
        assert {"scored", "label", "trained", "rescored", "failed"} <= kinds
        labels = {row["path"]: row["label"] for row in received if row["event"] == "label"}
        assert sorted(labels.values()) == ["keep"] * 3 + ["trash"] * 3
        assert all(f"/{label}/" in path for path, label in labels.items())
        (failed,) = [row for row in received if row["event"] == "failed"]
        assert failed["path"] == str(inbox / "broken.png") and failed["reason"]
        ordered = next(row for row in received if row["event"] == "ordered")
        assert ordered["inbox"] == str(inbox) and ordered["files"] > 0

        imgscore("label", "keep", inbox / "text-005.jpg")
        assert until(events, "label")[-1]["source"] == "cli"
        imgscore("pause")
        until(events, "paused")
        imgscore("resume")
        until(events, "resumed")
    assert {"paused", "resumed"} <= {row["event"] for row in daemon.status()["events"]}


def test_watch_log_hostile_name_is_printed_escaped(inbox: Path, start: Start) -> None:
    start()
    with following() as process:
        assert process.stdout is not None
        (inbox / "odd\n\x1b[31m\u202e.png").write_bytes(b"no image")
        line = next(line for line in process.stdout if "failed" in line)
    assert "\\n\\x1b[31m\\u202e.png" in line and "\x1b" not in line


def test_watch_log_restart_of_the_daemon_is_followed(inbox: Path, start: Start) -> None:
    daemon = start()
    with following("--json") as process:
        assert daemon.stop() == 0
        start()
        events = rows(process)
        until(events, "following")
        put(inbox, "sun", 1)
        until(events, "scored")


def test_watch_log_without_a_daemon_is_an_error(inbox: Path) -> None:
    assert imgscore("watch-log").code == 4
