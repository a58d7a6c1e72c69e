"""What the icon shows for a status, as data and as pixels."""

import re
import time
from typing import Any

import numpy as np
import pytest
from imgscored.tray.drawing import draw
from imgscored.tray.state import MAX_LINE, Shape, TrayState, tray_state
from msgspec.structs import replace

from imgscore import events
from imgscore.verbs.pause import FOREVER_NS
from imgscore.verbs.status import Failure
from tests.support.statuses import make_status, make_watch

INBOX = "/home/me/in\x1bbox"
STATUS = make_status(watches=[make_watch(INBOX)])
FAILED = [Failure(f"/in/{n}.jpg", "no\nimage", "") for n in range(9)]


@pytest.mark.parametrize(
    ("change", "shape", "line"),
    [
        ({}, "idle", "all in order"),
        ({"watches": [make_watch(INBOX, state="needs 2 keeps")]}, "idle", "needs 2 keeps"),
        ({"pending": 3, "failed": FAILED}, "working", "working, 9 of 12"),
        ({"pending": 3, "waiting": "on battery"}, "paused", "waiting, on battery: 3 pending"),
        ({"waiting": "on battery"}, "idle", "all in order"),
        ({"watches": [make_watch(INBOX, scored=1990)]}, "idle", "all in order: 1,990 images"),
        ({"dry_run": True}, "idle", "dry run: no date is changed"),
        ({"failed": FAILED}, "attention", "9 files failed"),
        ({"failed": FAILED[:1]}, "attention", "1 file failed"),
        ({"pending": 3, "troubles": ["the disk is full"]}, "attention", "the disk is full"),
        (
            {"watches": [make_watch(INBOX, state="offline")]},
            "attention",
            "/home/me/in\\x1bbox is not",
        ),
        ({"state": "paused", "paused_until_ns": FOREVER_NS, "pending": 3}, "paused", "paused"),
    ],
)
def test_tray_state_each_status_has_a_shape_and_line(
    change: dict[str, Any], shape: str, line: str
) -> None:
    seen = tray_state(replace(STATUS, **change), max_pending=12)
    assert seen.shape == shape and seen.line.startswith(line)
    assert seen.tooltip.startswith("imgscore: ")
    assert seen.paused == (change.get("state") == "paused")


def test_tray_state_in_order_counts_images_and_groups() -> None:
    watches = [make_watch(INBOX, scored=1000), make_watch("/two", scored=1)]
    seen = tray_state(replace(STATUS, watches=watches, groups=12), 0)
    assert seen.line == "all in order: 1,001 images, 12 groups of similar images"
    one = tray_state(replace(STATUS, watches=[make_watch(INBOX, scored=1)], groups=1), 0)
    assert one.line == "all in order: 1 image, 1 group of similar images"


def test_tray_state_shows_the_newest_order_as_one_line() -> None:
    now = time.time_ns()
    orders = [events.Ordered(time_ns=now - k, inbox="/in", files=f) for k, f in ((9, 5), (0, 30))]
    part = events.Ordered(time_ns=now, inbox="/in", files=1)
    status = replace(STATUS, events=[*orders, events.Resumed(), part])
    assert tray_state(STATUS, 0).order == ""
    order = tray_state(status, 0).order
    assert order.startswith("new order at ") and order.endswith(": 31 images have a new place")
    assert len(order) <= len("new order at 2026-01-01 12:34: 31 images have a new place")


def test_tray_state_in_order_says_since_when_if_it_was_today() -> None:
    watches = [make_watch(INBOX, scored=100_000)]
    now = time.time_ns()
    status = replace(
        STATUS,
        watches=watches,
        groups=3442,
        events=[events.Ordered(time_ns=now, inbox="/in", files=1)],
    )
    seen = tray_state(status, 0)
    line = r"all in order since \d\d:\d\d: 100,000 images, 3,442 groups of similar images"
    assert re.fullmatch(line, seen.line), seen.line
    assert seen.order.endswith(": 1 image has a new place")
    before = [events.Ordered(time_ns=now - 2 * 86_400 * 10**9, inbox="/in", files=1)]
    assert tray_state(replace(status, events=before), 0).line.startswith("all in order: 100,000")


def test_tray_state_without_daemon_is_offline() -> None:
    assert tray_state(None, 0) == TrayState("offline", "not running")


def test_tray_state_pause_shows_its_end() -> None:
    for seconds, length in ((60, len("paused until 12:34")), (10 * 86_400, 29)):
        until = time.time_ns() + seconds * 10**9
        line = tray_state(replace(STATUS, state="paused", paused_until_ns=until), 0).line
        assert line.startswith("paused until ") and len(line) <= length


def test_tray_state_lists_five_failures_in_short_lines() -> None:
    failed = [Failure(one.path, "very long " * 20, "") for one in FAILED]
    failures = tray_state(replace(STATUS, failed=failed), 0).failures
    assert [path for path, _ in failures] == [f"/in/{n}.jpg" for n in range(5)]
    assert all(line.isprintable() and len(line) == MAX_LINE for _, line in failures)


def test_tray_state_small_progress_keeps_the_state() -> None:
    faces = [tray_state(replace(STATUS, pending=1000 - n), 1000) for n in range(1000)]
    assert len({(one.shape, one.share) for one in faces}) <= 20


def test_draw_shapes_differ_without_colour() -> None:
    shapes: list[Shape] = ["idle", "working", "paused", "attention", "offline"]
    grey = [np.asarray(draw(shape, 50).convert("LA"), float) for shape in shapes]
    for one, first in enumerate(grey):
        assert first[..., 1].min() == 0 and first[..., 1].max() == 255
        for second in grey[:one]:
            assert np.abs(first - second).mean() > 10
    assert np.any(np.asarray(draw("working", 25)) != np.asarray(draw("working", 75)))
