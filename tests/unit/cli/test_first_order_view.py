"""The steps that the view of `start` shows."""

from pathlib import Path

from imgscore.cli.first_order_view import view_steps
from imgscore.verbs.status import LabelCounts
from tests.support.statuses import make_status, make_watch


def test_view_steps_before_an_inbox_is_listed_do_not_call_it_empty(tmp_path: Path) -> None:
    watch = make_watch(str(tmp_path), files=0, state="needs …", labels=LabelCounts(0, 0))
    status = make_status(watches=[watch])
    assert view_steps(status) == ["next: put images into this folder"]
    (tmp_path / "a.jpg").touch()
    assert view_steps(status) == ["reading the folder"]
