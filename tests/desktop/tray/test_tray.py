"""The tray icon on an X display: its title, its menu, and its effect on a daemon."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.system import tray_backend as part
from imgscore.testing import eventually
from tests.conftest import put
from tests.desktop.tray.conftest import Desktop
from tests.support.commands import BIN, Start, settled_state
from tests.support.similar_images import put_alike


def without_desktop(**more: str) -> subprocess.CompletedProcess[str]:
    """Run `imgscore tray` without a display; `more`: variables of its environment."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    return subprocess.run(
        [BIN / "imgscore", "tray"],
        env={**environment, **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_tray_menu_controls_the_daemon(
    desktop: Desktop, inbox: Path, start: Start, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    desktop.program("xdg-open", f"import sys; open({str(opened)!r}, 'w').write(sys.argv[1])")
    desktop.tray()
    icon = desktop.icon()
    desktop.await_title("imgscore: not running")

    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 5)[:2]:
            path.rename(inbox / folder / path.name)
    daemon = start()
    daemon.settle()
    desktop.await_title("imgscore: all in order")

    desktop.choose("Down", "Return")
    desktop.await_title("imgscore: paused until ")
    assert settled_state(daemon) == "paused"
    desktop.choose("Down", "Return")
    desktop.await_title("imgscore: all in order")
    assert settled_state(daemon) == "running"

    before = daemon.status()["head"]
    desktop.choose("Down", "Down", "Return")
    daemon.until(lambda status: status["head"] != before)
    desktop.choose("Down", "Down", "Down", "Return")
    assert eventually(lambda: opened.exists() and opened.read_text()) == str(inbox)

    opened.unlink()
    desktop.choose("Down", "Down", "Down", "Down", "Return")
    assert eventually(lambda: opened.exists() and opened.read_text()).endswith(".html")

    daemon.kill()
    desktop.await_title("imgscore: not running")
    daemon = start()
    desktop.await_title("imgscore: all in order")
    (inbox / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    desktop.await_title("imgscore: 1 file failed")
    opened.unlink()
    desktop.choose("Up", "Up", "Right", "Return")  # opens the folder of the failed file
    eventually(opened.exists)

    desktop.choose("Up", "Return")
    assert icon.wait(timeout=60) == 0
    eventually(lambda: desktop.title() == "", what="the X server removes the icon")
    assert daemon.settle()["state"] == "running"


def test_tray_status_notifier_panel_shows_the_icon(
    desktop: Desktop, inbox: Path, start: Start
) -> None:
    for program, apt in (("xfce4-panel", "xfce4-panel xfconf"), ("gdbus", "libglib2.0-bin")):
        if shutil.which(program) is None:
            pytest.skip(f"apt install {apt}")
    try:
        part.import_gi().require_version("AyatanaAppIndicator3", "0.1")
    except ValueError:
        pytest.skip(part.INDICATOR)
    daemon = start()
    desktop.panel()
    icon = desktop.icon()
    desktop.await_item()
    desktop.open_menu()
    daemon.ask("pause")
    desktop.await_item_changes()
    assert desktop.menu_is_open()
    desktop.choose("Down", "Return")  # the first entry is Resume now
    eventually(lambda: settled_state(daemon) == "running")
    assert desktop.title() == ""  # the icon has no window: the panel draws it
    desktop.choose("Up", "Return")
    assert icon.wait(timeout=60) == 0


def test_tray_title_counts_pending_work(desktop: Desktop, inbox: Path, start: Start) -> None:
    desktop.tray()
    desktop.icon()
    config = paths.config_file()  # the test stops all workers
    config.write_text(config.read_text().replace("workers = 2", "workers = 1"))
    daemon = start()
    put(inbox, "sun", 1)
    workers = eventually(lambda: _children(daemon.pid))
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    put(inbox, "sun", 12, first=20)  # more than a worker takes at a time
    try:
        title = desktop.await_title("imgscore: working, ")
        done, _, total = title.removeprefix("imgscore: working, ").partition(" of ")
        assert 0 <= int(done) < int(total)
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    desktop.await_title("imgscore: needs ")


def test_tray_title_says_a_found_group_and_since_when_all_is_in_order(
    desktop: Desktop, inbox: Path, start: Start
) -> None:
    desktop.tray()
    desktop.icon()
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 5)[:2]:
            path.rename(inbox / folder / path.name)
    put_alike(inbox, "alike", 2)
    start().settle()

    def groups_of(images: int) -> int:
        """The number of groups in the title, if it is the sentence about so many images."""
        sentence = (
            rf"imgscore: all in order since \d\d:\d\d: {images} images, (\d+) groups? "
            "of similar images"
        )
        found = re.fullmatch(sentence, desktop.title())
        return int(found[1]) if found else 0

    before = eventually(lambda: groups_of(8), what=desktop.title)
    put_alike(inbox, "other", 3)
    eventually(lambda: groups_of(11) == before + 1, what=desktop.title)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def test_tray_open_menu_stays_open(desktop: Desktop, inbox: Path, start: Start) -> None:
    daemon = start()
    desktop.tray()
    desktop.icon()
    desktop.await_title("imgscore: needs ")
    desktop.open_menu()
    daemon.ask("pause")
    desktop.await_title("imgscore: paused")
    assert desktop.menu_is_open()
    desktop.choose("Down", "Return")  # the first entry is Resume now
    eventually(lambda: settled_state(daemon) == "running")


def test_tray_second_icon_ends_at_once(desktop: Desktop) -> None:
    desktop.tray()
    first = desktop.icon()
    desktop.await_title("imgscore: not running")
    assert desktop.icon().wait(timeout=60) == 0
    assert first.poll() is None
    first.terminate()
    assert first.wait(timeout=60) == 0


def test_tray_at_login_waits_for_the_panel(desktop: Desktop) -> None:
    icon = desktop.icon("--wait", "60")
    with pytest.raises(subprocess.TimeoutExpired):
        icon.wait(timeout=0.5)
    desktop.tray()
    desktop.await_title("imgscore: not running")


def test_tray_without_a_panel_is_an_error(desktop: Desktop) -> None:
    done = without_desktop(DISPLAY=desktop.display, DBUS_SESSION_BUS_ADDRESS=desktop.bus)
    assert done.returncode == 4 and done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first == f"imgscore: no tray is running on display {desktop.display}"
    assert "trayer" in second


def test_tray_without_a_display_is_an_error(inbox: Path, start: Start) -> None:
    daemon = start()
    done = without_desktop()
    assert done.returncode == 4 and len(done.stderr.splitlines()) == 2
    assert "there is no display" in done.stderr
    assert daemon.status()["state"] == "running"
    assert "tray" not in daemon.log_text.replace(str(inbox), "")


def test_tray_on_wayland_without_a_panel_is_an_error(desktop: Desktop) -> None:
    done = without_desktop(WAYLAND_DISPLAY="wayland-9", DBUS_SESSION_BUS_ADDRESS=desktop.bus)
    assert done.returncode == 4 and len(done.stderr.splitlines()) == 2
    assert "no tray is running on display wayland-9" in done.stderr


def test_doctor_tray_support_is_reported(desktop: Desktop) -> None:
    def tray_row() -> dict[str, str]:
        done = subprocess.run(
            [BIN / "imgscore", "doctor", "--json"],
            env=desktop.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        (row,) = [row for row in rows if row["check"] == "tray"]
        return row

    without = tray_row()
    assert without["state"] == "warning" and without["detail"].startswith("no tray is running")
    assert "trayer" in without["remedy"]
    desktop.tray()
    assert tray_row()["state"] == "ok"
