"""The systemd service, run by the service manager of an ordinary user."""

import errno
import json
import os
import signal
from pathlib import Path

from imgscore.system import systemd
from tests.desktop.systemd.conftest import BIN, Box

INTRUDER = Path(__file__).parents[2] / "support/intruder"
GATE = """
import sys

def wait_at_the_gate(event, arguments):
    if event == "socket.bind" and str(arguments[1]).endswith("control.sock"):
        open("/box/gate").read()

sys.addaudithook(wait_at_the_gate)
"""


def install(box: Box) -> None:
    row = box.imgscore("service", "install")
    assert (row["enabled"], row["active"], row["error"]) == (True, "active", None)
    assert row["pid"] == box.imgscore("status")["pid"] == int(box.show("MainPID"))


def teach(box: Box, count: int = 6) -> None:
    """Drop pictures of two kinds, and label half of them by moving them."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in box.drop(kind, count)[: count // 2]:
            path.rename(box.inbox / folder / path.name)


def newest_first(folder: Path) -> list[str]:
    files = [path for path in folder.iterdir() if path.is_file()]
    return [path.name for path in sorted(files, key=lambda path: -path.stat().st_mtime)]


def await_restart(box: Box, before: int) -> None:
    """Wait until another daemon runs and answers."""
    box.await_(lambda: int(box.show("MainPID")) not in (0, before))
    box.systemctl("start", "imgscored")
    assert box.imgscore("status")["pid"] == int(box.show("MainPID"))


def test_service_sandboxed_orders_dropped_files(box: Box) -> None:
    install(box)
    teach(box)
    box.imgscore("wait", "--timeout", "120")
    box.await_(lambda: box.show("StatusText") == "running: 6 images, 0 pending")
    paths = [*box.drop("sun", 3, first=20), *box.drop("text", 3, first=20)]
    own = {path.name: path.stat().st_mtime_ns for path in paths}
    box.imgscore("wait", "--timeout", "120")
    names = newest_first(box.inbox)
    assert [name.split("-")[0] for name in names] == ["sun"] * 6 + ["text"] * 6
    box.imgscore("restore-times")
    assert own == {path.name: path.stat().st_mtime_ns for path in paths}
    assert newest_first(box.inbox) != names


def test_service_that_returns_memory_starts_again_in_its_process(box: Box) -> None:
    install(box)  # writes the unit
    box.systemctl("stop", "imgscored")
    with (box.home / ".config/imgscore/config.toml").open("a") as file:
        file.write("worker_idle = 0.5\n")
    limits = "--renew-after 0.2 --renew-growth -100000000"
    box.change_unit("WatchdogSec=30", "ExecStart=", f"ExecStart={BIN}/imgscored {limits}")
    box.systemctl("start", "imgscored")
    pid, restarts = int(box.show("MainPID")), box.show("NRestarts")
    teach(box)
    box.imgscore("wait", "--timeout", "120")
    box.await_(lambda: any(text.startswith("starting again") for _, text in box.journal()))
    box.drop("sun", 3, first=20)
    box.imgscore("wait", "--timeout", "120")
    ping = box.show("WatchdogTimestampMonotonic")  # A ping is due every ten seconds.
    box.await_(lambda: box.show("WatchdogTimestampMonotonic") != ping)
    assert box.imgscore("status")["pid"] == pid == int(box.show("MainPID"))
    assert (box.show("ActiveState"), box.show("NRestarts")) == ("active", restarts)
    box.await_(lambda: box.show("StatusText") == "running: 9 images, 0 pending")
    assert [text for priority, text in box.journal() if priority <= 4] == []


def test_service_ready_only_when_the_socket_answers(box: Box) -> None:
    (box.home / "sitecustomize.py").write_text(GATE)
    os.mkfifo(box.folder / "gate")
    install(box)  # writes the unit
    box.systemctl("stop", "imgscored")
    box.change_unit("Environment=PYTHONPATH=/home/box")
    box.systemctl("start", "--no-block", "imgscored")
    with (box.folder / "gate").open("w") as gate:  # the daemon waits until this is open
        assert box.show("ActiveState") == "activating"
        gate.write("go on")
    box.systemctl("start", "imgscored")
    assert box.imgscore("status")["state"] == "running"


def test_service_killed_restarts_and_loses_nothing(box: Box) -> None:
    install(box)
    teach(box)
    paths = box.drop("sun", 3, first=20)
    own = {path.name: path.stat().st_mtime_ns for path in paths}
    box.imgscore("wait", "--timeout", "120")
    before = box.imgscore("status")
    box.kill(before["pid"], signal.SIGKILL)
    await_restart(box, before["pid"])
    box.imgscore("wait", "--timeout", "120")
    after = box.imgscore("status")
    assert after["watches"] == before["watches"] and after["head"] == before["head"]
    assert box.show("NRestarts") == "1" and box.show("Result") == "success"
    box.imgscore("restore-times")
    assert own == {path.name: path.stat().st_mtime_ns for path in paths}


def test_service_hung_worker_is_restarted(box: Box) -> None:
    box.change_unit("WatchdogSec=5")
    install(box)
    teach(box)
    box.imgscore("wait", "--timeout", "120")
    before = box.imgscore("status")
    for worker in box.workers():
        box.kill(worker, signal.SIGSTOP)
    box.drop("sun", 2, first=20)  # more than a worker takes at a time
    await_restart(box, before["pid"])
    box.imgscore("wait", "--timeout", "120")
    assert box.imgscore("status")["watches"][0]["scored"] == 8
    errors = [text for priority, text in box.journal() if priority == 3]
    assert any("worker" in text and "did not respond" in text for text in errors), errors
    assert not set(box.workers()) - set(children(box, int(box.show("MainPID"))))


def children(box: Box, pid: int) -> list[int]:
    return [int(child) for child in box.run("pgrep", "--parent", str(pid), check=False).split()]


def test_service_hung_loop_is_restarted(box: Box) -> None:
    box.change_unit("WatchdogSec=5")  # less could end a daemon that gets no CPU time
    install(box)
    pid = int(box.show("MainPID"))
    box.kill(pid, signal.SIGSTOP)
    await_restart(box, pid)
    assert box.show("NRestarts") == "1"
    assert box.failures() == ["watchdog"]


def test_service_write_outside_is_refused(box: Box) -> None:
    box.run("cp", INTRUDER / "sitecustomize.py", "/home/box/sitecustomize.py")
    box.change_unit("Environment=PYTHONPATH=/home/box")
    install(box)
    (picture,) = box.drop("sun", 1)
    victim = picture.rename(box.inbox / "victim.png")
    content = victim.read_bytes()
    box.imgscore("wait", "--timeout", "120")
    assert box.imgscore("status")["watches"][0]["files"] == 1
    (line,) = [text for _, text in box.journal() if text.startswith("intruder: ")]
    outcomes = dict(word.split("=") for word in line.split()[1:])
    refusals = {
        errno.errorcode[number] for number in (errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT)
    }
    assert {name for name, outcome in outcomes.items() if outcome not in refusals} == {"date"}
    assert outcomes["date"] == "done"  # a worker may change dates, and nothing else
    assert victim.read_bytes() == content
    assert sorted(path.name for path in box.inbox.iterdir()) == ["keep", "trash", "victim.png"]


def test_service_stop_ends_busy_daemon_at_once(box: Box) -> None:
    install(box)
    teach(box)
    box.imgscore("wait", "--timeout", "120")
    for worker in box.workers():  # its task never ends: waiting for it would be a timeout
        box.kill(worker, signal.SIGSTOP)
    box.drop("text", 10, first=20)
    box.await_(lambda: box.imgscore("status")["pending"] > 0)
    box.systemctl("stop", "imgscored")
    assert (box.show("Result"), box.show("ExecMainStatus")) == ("success", "0")
    assert box.show("ActiveState") == "inactive" and box.journal()[-1] == (6, "stopped")
    assert not box.workers()


def test_service_log_lines_have_their_priority(box: Box) -> None:
    install(box)
    config = box.home / ".config/imgscore/config.toml"
    good = config.read_text()
    config.write_text(good + "nonsense = 1\n")
    box.systemctl("reload", "imgscored")
    box.await_(lambda: bool(box.imgscore("status")["troubles"]))
    config.write_text(good)
    logged = box.journal()
    assert (6, "watching /home/box/inbox") in logged
    (error,) = [text for priority, text in logged if priority == 3]
    assert "nonsense" in error
    assert not any(text.startswith("<") for _, text in logged)


def test_service_start_and_stop_control_the_unit(box: Box) -> None:
    started = box.imgscore("start")["pid"]  # no unit yet: a process of its own
    assert box.show("ActiveState") == "inactive"
    install(box)  # stops that process
    assert box.imgscore("status")["pid"] != started
    stopped = box.imgscore("stop")
    assert stopped["state"] == "stopped" and box.show("ActiveState") == "inactive"
    assert box.imgscore("start")["pid"] == int(box.show("MainPID"))
    box.imgscore("service", "uninstall")
    assert box.imgscore("service", "status")["installed"] is False
    assert "imgscored" not in box.systemctl("list-unit-files", "--no-legend")


def test_service_runs_at_low_priority(box: Box) -> None:
    install(box)
    pid = box.show("MainPID")
    assert box.run("ps", "-o", "nice=", "-p", pid).strip() == "19"
    assert box.run("ionice", "-p", pid).strip() == "idle"
    assert int(box.show("MemoryHigh")) == 2 << 30
    status = dict(
        line.split(":\t", 1) for line in box.run("cat", f"/proc/{pid}/status").splitlines()
    )
    assert (status["NoNewPrivs"], status["Seccomp"], status["Umask"]) == ("1", "2", "0077")


def test_doctor_service_state_is_reported(box: Box) -> None:
    def service() -> tuple[str, str, str]:
        lines = box.run("imgscore", "doctor", "--json", check=False).splitlines()
        (row,) = [row for row in map(json.loads, lines) if row["check"] == "service"]
        return row["state"], row["detail"], row["remedy"]

    assert service() == (
        "ok",
        "not installed",
        "to start the daemon at every login: imgscore service install",
    )
    install(box)
    assert service() == ("ok", "runs from boot to shutdown", "")
    box.systemctl("stop", "imgscored")
    assert service() == ("warning", "installed, and inactive", "imgscore start")
    box.systemctl("disable", "imgscored")
    box.systemctl("start", "imgscored")
    assert service()[0] == "warning"
    # Now the program of the unit file does not exist.
    file = box.home / ".config/systemd/user" / systemd.NAME
    text = file.read_text()
    file.write_text(text.replace(str(BIN), "/home/box/gone"))
    state, detail, remedy = service()
    assert state == "problem" and "/home/box/gone/imgscored, which does not exist" in detail
    assert remedy == "imgscore service install"
    install(box)
    assert file.read_text() == text and service()[0] == "ok"


def test_service_invalid_config_is_logged(box: Box) -> None:
    box.change_unit("[Unit]", "StartLimitIntervalSec=0")  # systemd never gives up
    install(box)
    box.imgscore("stop")
    (box.home / ".config/imgscore/config.toml").write_text("nonsense = 1\n")
    box.systemctl("start", "--no-block", "imgscored")
    box.await_(lambda: int(box.show("NRestarts")) > 1)
    assert any(priority == 3 and "nonsense" in text for priority, text in box.journal())
    assert box.imgscore("stop")["pid"] is None
    assert box.show("ActiveState") in ("inactive", "failed")
