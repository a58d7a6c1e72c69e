"""systemd's notification protocol, see sd_notify(3). Without a service manager, nothing is sent."""

import os
import socket

# The longest wait for room in the manager's queue, in seconds. The queue has room for only about
# ten messages. Without this limit, a manager that hangs would also stop the loop.
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
        # The manager has ended or hangs, or no file descriptor is free. A later message may
        # succeed.
        return


def by_service_manager() -> bool:
    """Return whether a service manager has started this process, and waits for READY."""
    return os.environ.get("NOTIFY_SOCKET", "").startswith(("/", "@"))


def watchdog_seconds() -> float | None:
    """Return the seconds between two watchdog pings, or None if the service manager needs none."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return None
    # Return a third of the manager's limit. One ping may then be late, and another may be lost.
    return int(microseconds) / 3e6
