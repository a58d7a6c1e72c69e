"""When work waits for the power: a real bus with services on it, and sysfs without one."""

import select
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from imgscored import bus as bus_module
from imgscored import power
from imgscored.mailbox import Mailbox
from imgscored.power import ON_BATTERY, SAVER, Power, discharges

from tests.support.buses import Service, bus


def supply(folder: Path, name: str, **facts: str) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for fact, text in facts.items():
        (folder / name / fact).write_text(f"{text}\n")


def test_discharges_reads_sysfs(tmp_path: Path) -> None:
    assert not discharges(tmp_path / "nothing")
    supply(tmp_path, "hidpp_battery_0", type="Battery", scope="Device", status="Discharging")
    assert not discharges(tmp_path)  # the mouse
    supply(tmp_path, "BAT0", type="Battery", status="Discharging")
    assert discharges(tmp_path)
    supply(tmp_path, "AC", type="Mains", online="0")
    assert discharges(tmp_path)
    supply(tmp_path, "AC", online="1")
    assert not discharges(tmp_path)  # and the battery helps out
    supply(tmp_path, "AC", online="0")
    supply(tmp_path, "BAT0", status="Full")
    assert not discharges(tmp_path)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with closing(Mailbox()) as mailbox:
        yield mailbox


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bus that stands for the system's."""
    with bus() as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        patient(monkeypatch)
        yield address


def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a bus and its services, on a machine that may be busy, the time that they take."""
    monkeypatch.setattr(bus_module, "CONNECT_SECONDS", 60.0)
    monkeypatch.setattr(bus_module, "ANSWER_SECONDS", 60.0)


def next_word(mailbox: Mailbox) -> str | None:
    """What is posted next."""
    assert select.select([mailbox.descriptor], [], [], 60)[0], "nothing was posted"
    return mailbox.take().saving


class Properties:
    """The properties of a service, which tells when one changes."""

    def __init__(self, address: str, where: tuple[str, str, str], **values: tuple[str, Any]):
        self._values, (name, self._path, self._interface) = values, where
        self.service = Service(address, name, self._answer)

    def _answer(self, method: str, body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        assert method == "Get" and body[0] == self._interface
        return "v", (self._values[body[1]],)

    def set(self, **values: tuple[str, Any]) -> None:
        self._values.update(values)
        self.service.emit_changed(self._path, self._interface, **values)


def test_power_follows_upower_signals(mailbox: Mailbox, system: str) -> None:
    upower = Properties(system, power.UPOWER, OnBattery=("b", False))
    with closing(upower.service), closing(Power(mailbox, Path("/nowhere"))):
        assert next_word(mailbox) == ""
        upower.set(OnBattery=("b", True))
        assert next_word(mailbox) == ON_BATTERY
        upower.set(OnBattery=("b", False))
        assert next_word(mailbox) == ""


@pytest.mark.parametrize("where", power.PROFILES, ids=["new name", "old name"])
def test_power_saver_profile_makes_work_wait(
    mailbox: Mailbox, system: str, where: tuple[str, str, str]
) -> None:
    upower = Properties(system, power.UPOWER, OnBattery=("b", False))
    profiles = Properties(system, where, ActiveProfile=("s", "power-saver"))
    with (
        closing(upower.service),
        closing(profiles.service),
        closing(Power(mailbox, Path("/nowhere"))),
    ):
        while next_word(mailbox) != SAVER:
            pass  # what sysfs says comes first
        upower.set(OnBattery=("b", True))
        assert next_word(mailbox) == ON_BATTERY
        upower.set(OnBattery=("b", False))
        assert next_word(mailbox) == SAVER
        profiles.set(ActiveProfile=("s", "balanced"))
        assert next_word(mailbox) == ""


def test_power_service_that_starts_later_is_followed(
    mailbox: Mailbox, system: str, tmp_path: Path
) -> None:
    supply(tmp_path, "BAT0", type="Battery", status="Discharging")
    with closing(Power(mailbox, tmp_path)):
        assert next_word(mailbox) == ON_BATTERY  # at once, as sysfs has it
        upower = Properties(system, power.UPOWER, OnBattery=("b", False))
        with closing(upower.service):
            assert next_word(mailbox) == ""  # UPower knows better
        assert next_word(mailbox) == ON_BATTERY


def test_power_bus_that_ends_is_replaced_by_sysfs(
    mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "POLL_SECONDS", 0.05)
    patient(monkeypatch)
    supply(tmp_path, "BAT0", type="Battery", status="Full")
    with closing(Power(mailbox, tmp_path)):
        assert next_word(mailbox) == ""
        supply(tmp_path, "BAT0", status="Discharging")
        assert next_word(mailbox) == ON_BATTERY
        with bus() as address:
            upower = Properties(address, power.UPOWER, OnBattery=("b", False))
            with closing(upower.service):
                monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
                assert next_word(mailbox) == ""
        assert next_word(mailbox) == ON_BATTERY


def test_power_close_does_not_wait_for_a_hanging_bus(
    mailbox: Mailbox, silent_bus: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", silent_bus())
    with closing(Power(mailbox, Path("/nowhere"))):
        assert next_word(mailbox) == ""
