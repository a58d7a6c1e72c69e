"""The checks of the systemd service and of Landlock.

With Landlock, the kernel limits the files that a process may write.
"""

import os
from collections.abc import Iterator

from imgscore.doctor.finding import Finding
from imgscore.system import landlock, systemd

INSTALL = "imgscore service install"


def service() -> Iterator[Finding]:
    """Check the systemd unit.

    The unit should be installed and running, and it should start this installation of imgscore.
    """
    state = systemd.state()
    if state.executable is None:
        remedy = f"to start the daemon at every login: {INSTALL}" if state.active else ""
        yield Finding("service", "ok", "not installed", remedy)
    elif not os.access(state.executable, os.X_OK):
        detail = f"{state.unit} starts {state.executable}, which does not exist"
        yield Finding("service", "problem", detail, INSTALL)
    elif state.unit.read_text(encoding="utf-8") != systemd.wanted():
        detail = f"{state.unit} belongs to another installation or version"
        yield Finding("service", "warning", detail, INSTALL)
    else:
        yield _running(state)


def _running(state: systemd.State) -> Finding:
    match state.active:
        case "":
            detail = "installed, but no systemd user manager runs"
            return Finding("service", "warning", detail, "log out and in again")
        case "failed":
            return Finding(
                "service", "problem", "the service failed", f"journalctl --user -u {systemd.NAME}"
            )
        case "active" if not state.enabled:
            detail = "the daemon runs, but it will not start at the next login"
            return Finding("service", "warning", detail, INSTALL)
        case "active":
            until = "from boot to shutdown" if systemd.lingers() else "from login to logout"
            return Finding("service", "ok", f"runs {until}")
        case other:
            return Finding("service", "warning", f"installed, and {other}", "imgscore start")


def confinement() -> Iterator[Finding]:
    """Check that the kernel has Landlock.

    The daemon and its workers use Landlock. They then cannot write to the user's files.
    """
    version = landlock.kernel_support()
    if version:
        detail = f"Landlock {version}: the daemon cannot change the contents of your files"
        yield Finding("confinement", "ok", detail)
    else:
        detail = "this kernel has no Landlock, so nothing limits which files the daemon can write"
        remedy = "use Linux 5.13 or newer, with Landlock enabled"
        yield Finding("confinement", "warning", detail, remedy)
