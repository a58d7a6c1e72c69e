"""Waiting: on battery the daemon postpones its own work, and serves requests at once."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from imgscored.power import UPOWER

from imgscore import paths
from tests.conftest import put
from tests.support.buses import Service, bus
from tests.support.commands import FAST_TOML, Start, imgscore


class Upower:
    """A battery that can be unplugged."""

    def __init__(self, address: str) -> None:
        self.on_battery = True
        self.service = Service(address, UPOWER[0], self._answer)

    def _answer(self, method: str, body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        return "v", (("b", self.on_battery),)

    def set(self, on_battery: bool) -> None:
        self.on_battery = on_battery
        self.service.emit_changed(UPOWER[1], UPOWER[2], OnBattery=("b", on_battery))


@pytest.fixture
def upower(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upower]:
    with bus() as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        upower = Upower(address)
        with closing(upower.service):
            yield upower


def test_daemon_on_battery_postpones_embedding_and_training(
    inbox: Path, start: Start, upower: Upower
) -> None:
    paths.config_file().write_text(f'[[watch]]\ninbox = "{inbox}"\n{FAST_TOML}')
    daemon = start()
    daemon.until(lambda status: status["waiting"] == "on battery")
    suns, texts = put(inbox, "sun", 4), put(inbox, "text", 4)
    for kind, folder in ((suns, "keep"), (texts, "trash")):
        for path in kind[:2]:
            path.rename(inbox / folder / path.name)
    # Labels are stored at once; embedding, training and grouping wait.
    status = daemon.until(
        lambda status: (
            status["watches"][0]["labels"] == {"keep": 2, "trash": 2} and status["pending"] == 6
        ),
    )
    assert status["watches"][0]["files"] == 0 and status["head"] is None, status
    refused = imgscore("wait")
    assert refused.code == 1 and "on battery" in refused.err and "imgscore scan" in refused.err
    assert "waiting: on battery" in imgscore("status").out
    # Requests do not wait.
    assert imgscore("label", "keep", suns[2]).code == 0
    assert imgscore("scan", "--json").row["files"] == 4
    status = daemon.until(lambda status: status["waiting"] == "on battery")
    assert status["head"] == "1" and status["pending"] == 0
    put(inbox, "sun", 2, first=20)
    daemon.until(lambda status: status["pending"] == 2)
    upower.set(False)
    status = daemon.until(lambda status: status["pending"] == 0)
    assert status["waiting"] is None and status["watches"][0]["scored"] == 6


def test_daemon_restarted_stays_paused(inbox: Path, start: Start) -> None:
    daemon = start()
    assert imgscore("pause", "--for", "2h").code == 0
    until = daemon.status()["paused_until_ns"]
    assert daemon.stop() == 0
    put(inbox, "sun", 2)
    daemon = start()
    status = daemon.status()
    assert status["state"] == "paused" and status["paused_until_ns"] == until
    assert imgscore("resume").code == 0
    assert daemon.settle()["watches"][0]["files"] == 2
