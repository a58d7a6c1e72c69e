"""systemd's notification protocol (sd_notify(3)). Does nothing without a service manager."""

import os
import socket

# The manager's queue holds only about ten messages. Seconds to wait for room in a full one: the
# loop must not hang because the manager does.
SEND_SECONDS = 1.0


def sd_notify(**state: str) -> None:
    """Send KEY=value lines, such as READY="1", to the service manager, if there is one."""
    target = os.environ.get("NOTIFY_SOCKET", "")
    if not target.startswith(("/", "@")):
        return
    text = "\n".join(f"{key}={value.replace(chr(10), ' ')}" for key, value in state.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(SEND_SECONDS)
            sender.sendto(text.encode("utf-8", "replace"), target.replace("@", "\0", 1))
    except OSError:
        return  # the manager is gone or hangs, or no descriptor is left: a later message may arrive


def watchdog_seconds() -> float | None:
    """Seconds between two watchdog messages; None if the service manager wants none."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 3e6  # a third of the limit: one may be late, another may be lost
