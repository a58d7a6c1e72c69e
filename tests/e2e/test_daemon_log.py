"""The daemon's log says what it does, a line for each piece of work."""

import re
from pathlib import Path

from tests.conftest import put
from tests.support.commands import Start

INDEXED = re.compile(r"(\d+) images? indexed in [\d.]+ s")
TRAINED = re.compile(r"head 1 trained on \d labels in [\d.]+ s: AUC \d?\.\d\d \(in use\)")
SCORED = re.compile(r"\d+ images? scored by head 1 in [\d.]+ s")


def indexed(log: str) -> int:
    """Return the number of indexed images in the log."""
    return sum(int(count) for count in INDEXED.findall(log))


def test_daemon_log_of_a_small_run_has_a_line_for_each_result(inbox: Path, start: Start) -> None:
    suns, texts = put(inbox, "sun", 6), put(inbox, "text", 6)
    daemon = start()
    daemon.settle()
    first = daemon.log_text
    assert indexed(first) == 12
    assert (
        f"; move 2 more files into {inbox}/keep and 2 more files into {inbox}/trash to get an order"
        in first
    )
    assert re.search(r"compared all images: \d+ groups?$", first, re.MULTILINE), first

    for files, folder in ((suns, "keep"), (texts, "trash")):
        for file in files[:3]:
            file.rename(inbox / folder / file.name)
    daemon.settle()
    log = daemon.log_text[len(first) :]
    assert indexed(log) == 0  # a moved file needs no worker
    ordered = re.search(rf"order of {inbox}: ([1-6]) of 6 dates set in [\d.]+ s", log)
    assert TRAINED.search(log) and SCORED.search(log) and ordered, log


def test_daemon_log_is_quiet_when_nothing_has_changed(inbox: Path, start: Start) -> None:
    put(inbox, "sun", 2)
    daemon = start()
    daemon.settle()
    before = daemon.log_text
    for _ in range(3):
        daemon.ask("scan")
        daemon.settle()
    assert daemon.log_text == before
