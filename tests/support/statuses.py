"""Statuses for tests of the functions that show them."""

from typing import Any

import msgspec

from imgscore.verbs.status import LabelCounts, Response, WatchStatus


def make_watch(inbox: str = "/in", **changes: Any) -> WatchStatus:
    """A watch in which nothing has happened, with some fields changed."""
    watch = WatchStatus(
        inbox=inbox,
        files=0,
        scored=0,
        keep=0,
        trash=0,
        state="ok",
        taste="default",
        head=None,
        labels=LabelCounts(0, 0),
        planned=None,
    )
    return msgspec.structs.replace(watch, **changes)


def make_status(**changes: Any) -> Response:
    """The status of an idle daemon that watches nothing, with some fields changed."""
    status = Response(
        state="running",
        pid=1,
        rss_bytes=34_000_000,
        embedder="lite0",
        embedding_anew=None,
        hint=None,
        head=None,
        pending=0,
        failed=[],
        watches=[],
        workers=0,
        looked=0,
        events=[],
        dry_run=False,
        waiting=None,
        paused_until_ns=None,
        troubles=[],
    )
    return msgspec.structs.replace(status, **changes)
