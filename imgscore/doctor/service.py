"""The checks of the service, and of what the kernel keeps the daemon from."""

import os
from collections.abc import Iterator

from imgscore.doctor.finding import Finding
from imgscore.system import landlock, systemd

INSTALL = "imgscore service install"


def service() -> Iterator[Finding]:
    """Whether the unit is there, starts this very installation, and runs."""
    found = systemd.state()
    if found.executable is None:
        remedy = f"to have it at every login: {INSTALL}" if found.active else ""
        yield Finding("service", "ok", "not installed", remedy)
    elif not os.access(found.executable, os.X_OK):
        detail = f"{found.unit} starts {found.executable}, which is gone"
        yield Finding("service", "problem", detail, INSTALL)
    elif found.unit.read_text(encoding="utf-8") != systemd.wanted():
        detail = f"{found.unit} is another installation's or version's"
        yield Finding("service", "warning", detail, INSTALL)
    else:
        yield _running(found)


def _running(found: systemd.State) -> Finding:
    match found.active:
        case "":
            detail = "installed, but no systemd user manager runs"
            return Finding("service", "warning", detail, "log in anew")
        case "failed":
            return Finding(
                "service", "problem", "it failed", f"journalctl --user -u {systemd.NAME}"
            )
        case "active" if not found.enabled:
            detail = "it runs, but will not at the next login"
            return Finding("service", "warning", detail, INSTALL)
        case "active":
            until = "from boot to shutdown" if systemd.lingers() else "from login to logout"
            return Finding("service", "ok", f"runs {until}")
        case other:
            return Finding("service", "warning", f"installed, and {other}", "imgscore start")


def confinement() -> Iterator[Finding]:
    """Whether the kernel keeps daemon and workers from writing to the user's files."""
    version = landlock.kernel_support()
    if version:
        yield Finding("confinement", "ok", f"Landlock {version}: no file of yours can be written")
    else:
        detail = "this kernel has no Landlock: that only dates change is up to us alone"
        yield Finding("confinement", "warning", detail, "a kernel from 5.13 on can have it")
