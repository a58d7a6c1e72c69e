"""The live view of a status, and its one-line form."""

from typing import Any

import msgspec
from rich.console import Console

from imgscore.cli.live_status import Pace, line, view
from imgscore.events import Failed
from imgscore.verbs.status import Reembedding, Response
from tests.support.statuses import make_status, make_watch

EVENT = Failed(time_ns=0, path="/in/[bold]:smile:/a/[red]\x1b.png", reason="cut", remedy="")


def status(looked: int, pending: int, **changes: Any) -> Response:
    watch = make_watch("/in/[bold]:smile:", files=40, scored=30, keep=3, trash=4)
    row = make_status(
        head="h1", looked=looked, pending=pending, watches=[watch], workers=2, events=[EVENT]
    )
    return msgspec.structs.replace(row, **changes)


def paced(*samples: tuple[float, Response]) -> tuple[Response, Pace]:
    pace = Pace()
    for now, row in samples:
        pace.add(row, now)
    return samples[-1][1], pace


def rendered(row: Response, pace: Pace, width: int = 100) -> str:
    console = Console(width=width, height=40, force_terminal=False)
    with console.capture() as capture:
        console.print(view(row, pace))
    return capture.get()


def test_pace_of_two_statuses_gives_rate_and_time_left() -> None:
    row, pace = paced((0, status(0, 100)), (2, status(40, 60)))
    assert (pace.rate, pace.seconds_left, pace.total) == (20.0, 3.0, 100)
    assert "60 pending, 20/s, 3 s left" in rendered(row, pace)
    assert "60 pending, 20/s, 3 s left" in line(row, pace)


def test_pace_ignores_old_statuses() -> None:
    _, pace = paced((0, status(0, 1000)), (50, status(0, 1000)), (51, status(7, 993)))
    assert pace.rate == 7.0


def test_pace_of_a_restarted_daemon_starts_again() -> None:
    _, pace = paced((0, status(500, 10)), (1, status(3, 7)))
    assert pace.rate == 0.0 and pace.seconds_left is None
    row, pace = paced((0, status(5, 10)), (1, status(15, 0)))
    assert pace.total == 0 and "nothing pending" in rendered(row, pace)


def test_view_with_markup_in_names_shows_it_as_text() -> None:
    row, pace = paced((0, status(0, 0, troubles=["a [red]trouble[/red]"])))
    text = rendered(row, pace)
    assert "/in/[bold]:smile:" in text and "failed    a/[red]\\x1b.png: cut" in text
    assert "a [red]trouble[/red]" in text and "\x1b" not in text


def test_it_says_what_is_not_as_usual() -> None:
    anew = Reembedding(done=3, total=9, seconds_left=60.0)
    row = status(0, 0, waiting="on battery", embedding_anew=anew, troubles=["disk full"])
    text = rendered(*paced((0, row)))
    assert "waiting: on battery" in text and "3 of 9" in text and "attention: disk full" in text


def test_view_in_a_narrow_terminal_fits() -> None:
    row, pace = paced((0, status(0, 5)), (1, status(1, 4)))
    assert max(map(len, rendered(row, pace, width=40).splitlines())) <= 40


def test_line_and_view_while_on_battery_show_the_reason() -> None:
    row, pace = paced((0, status(0, 100, waiting="on battery")))
    assert "waiting: on battery" in line(row, pace)
    assert "waiting: on battery" in rendered(row, pace)
    assert "waiting" not in rendered(status(0, 100), pace)
