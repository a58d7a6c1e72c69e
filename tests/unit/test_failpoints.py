"""Failpoints end a process only where a test has armed them."""

import os
import signal
import subprocess
import sys

from bench.crash.stop import stop_at

STEPS = "from imgscore.failpoints import step\nfor _ in range(2): step('before commit')"


def exit_status(environment: dict[str, str]) -> int:
    command = [sys.executable, "-P", "-c", STEPS]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def test_step_armed_kills_the_process_at_the_chosen_number() -> None:
    assert exit_status(stop_at("before commit", 2)) == -signal.SIGKILL
    assert exit_status(stop_at("before commit", 3)) == 0
    assert exit_status(stop_at("after commit")) == 0


def test_step_with_a_variable_alone_does_nothing() -> None:
    for name in ("STOP_AT", "IMGSCORE_STOP_AT"):
        assert exit_status({name: "before commit:1"}) == 0
