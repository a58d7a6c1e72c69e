"""The power state of the machine. If it runs on battery or saves power, some work waits.

UPower and power-profiles-daemon report the state on the system bus, and send a signal after each
change. This module does not start these services. If they do not run, this module reads sysfs every
minute.
"""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from imgscored.mailbox import Mailbox

if TYPE_CHECKING:
    from jeepney import MatchRule

    from imgscored.bus import Bus

logger = logging.getLogger(__name__)

# Seconds between two checks of sysfs and of the bus. sysfs sends no signal after a change, and the
# bus may start later than the daemon.
POLL_SECONDS = 60.0

ON_BATTERY = "on battery"
SAVER = "the power saver is on"

UPOWER = ("org.freedesktop.UPower", "/org/freedesktop/UPower", "org.freedesktop.UPower")
PROFILES = (
    (
        "org.freedesktop.UPower.PowerProfiles",
        "/org/freedesktop/UPower/PowerProfiles",
        "org.freedesktop.UPower.PowerProfiles",
    ),
    ("net.hadess.PowerProfiles", "/net/hadess/PowerProfiles", "net.hadess.PowerProfiles"),
)
"""the bus names, paths and interfaces of power-profiles-daemon: first those of present versions,
then those of older versions"""


def discharges(supplies: Path = Path("/sys/class/power_supply")) -> bool:
    """Return whether sysfs reports that the machine runs on its battery.

    The batteries of devices, such as a mouse, are ignored.
    """
    battery = False
    try:
        folders = sorted(supplies.iterdir())
    except OSError:
        return False
    for folder in folders:
        if _text(folder / "scope") == "Device":
            continue
        if _text(folder / "online") == "1" and _text(folder / "type") != "Battery":
            return False
        battery |= _text(folder / "status") == "Discharging"
    return battery


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


class Power:
    """A thread that posts the power state to the mailbox, from construction until close().

    It posts the reason why work must wait, or "" if no work must wait.
    """

    def __init__(self, mailbox: Mailbox, supplies: Path = Path("/sys/class/power_supply")) -> None:
        self._mailbox = mailbox
        self._supplies = supplies
        self._posted: str | None = None
        self._bus: Bus | None = None
        self._stop = threading.Event()
        self._post(self._by_sysfs())  # Post the state before any work begins.
        self._thread = threading.Thread(target=self._run, name="power", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        bus = self._bus
        if bus is not None:
            bus.interrupt()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._follow_bus()
            if not self._stop.is_set():
                self._post(self._by_sysfs())
            self._stop.wait(POLL_SECONDS)

    def _follow_bus(self) -> None:
        """Post the states that the bus reports, until the connection fails."""
        from imgscored.bus import Bus, BusError, system_address

        try:
            with Bus(system_address()) as self._bus:
                if not self._stop.is_set():
                    self._follow_signals(self._bus)
        except BusError as error:
            logger.debug("power: %s", error)
        finally:
            self._bus = None

    def _follow_signals(self, bus: "Bus") -> None:
        signals = bus.listen(_rules())
        while not self._stop.is_set():
            signals.clear()
            on_battery = _property(bus, UPOWER, "OnBattery")
            profile = next(
                (name for where in PROFILES if (name := _property(bus, where, "ActiveProfile"))), ""
            )
            battery = self._by_sysfs() if on_battery is None else ON_BATTERY if on_battery else ""
            self._post(battery or (SAVER if profile == "power-saver" else ""))
            bus.await_signal(signals, POLL_SECONDS if on_battery is None else None)

    def _by_sysfs(self) -> str:
        return ON_BATTERY if discharges(self._supplies) else ""

    def _post(self, saving: str) -> None:
        if saving != self._posted:
            self._posted = saving
            self._mailbox.save_power(saving)


def _rules() -> "list[MatchRule]":
    """Return the D-Bus match rules for signals about the power state.

    The bus sends such a signal if a property changes, or if a service starts or ends.
    """
    from jeepney import MatchRule

    rules: list[MatchRule] = []
    for name, path, _ in (UPOWER, *PROFILES):
        properties = "org.freedesktop.DBus.Properties"
        rules.append(
            MatchRule(type="signal", interface=properties, member="PropertiesChanged", path=path)
        )
        owner = MatchRule(
            type="signal", interface="org.freedesktop.DBus", member="NameOwnerChanged"
        )
        owner.add_arg_condition(0, name)
        rules.append(owner)
    return rules


def _property(bus: "Bus", where: tuple[str, str, str], name: str) -> object:
    """Return a property of a service, or None if the service does not run or does not answer."""
    from jeepney import DBusAddress

    from imgscored.bus import BusError

    owner, path, interface = where
    try:
        properties = DBusAddress(path, owner, "org.freedesktop.DBus.Properties")
        ((_, value),) = bus.call(properties, "Get", "ss", interface, name)
    except (BusError, ValueError, TypeError) as error:
        logger.debug("power: %s: %s", owner, error)
        return None
    return value
