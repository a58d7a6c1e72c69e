"""The imgscore command and the daemon of a test, as a person and a script use them."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.testing import FAST, Completed, Sandbox, eventually, run
from imgscore.workers import worker
from tests.support import schemas
from tests.support.processes import processes

BIN = Path(sys.executable).parent
FAST_TOML = "".join(
    ["[daemon]\norder_from_keeps = false\n"]
    + [f"{name} = {value}\n" for name, value in FAST.items()]
)
Start = Callable[..., Sandbox]
"""start(**environment) → the sandbox, whose daemon listens"""


def imgscore(*arguments: str | Path) -> Completed:
    """Run the installed `imgscore`. With --json, each line must fit the schema of the command."""
    done = run([BIN / "imgscore", *arguments], seconds=300)
    if "--json" in arguments:
        schemas.check(arguments, done)
    return done


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A watched, empty inbox, and a config with which the daemon acts at once."""
    folder = tmp_path / "inbox"
    done = imgscore("init", folder)
    assert done.code == 0, done.err
    with paths.config_file().open("a") as file:
        file.write(f'{FAST_TOML}on_battery = "work"\n')
    return folder


@pytest.fixture
def start(sandbox: Sandbox) -> Iterator[Start]:
    """Starts the daemon. At the end it stops without an error, and so do its workers."""

    def begin(**environment: str) -> Sandbox:
        sandbox.start(**environment)
        return sandbox

    with sandbox:
        yield begin
        if sandbox.running:
            assert sandbox.stop() == 0, sandbox.log_text
    if sandbox.log.exists():
        assert "Traceback" not in sandbox.log_text, sandbox.log_text
    home = os.fspath(sandbox.home)
    eventually(lambda: not processes(worker.__name__, home), what="the workers end")


def settled_state(sandbox: Sandbox) -> str:
    """The daemon's state, after it has handled all earlier requests."""
    sandbox.ask("history", limit=1)
    return str(sandbox.status()["state"])


def newest_first(folder: Path) -> list[str]:
    """Names of the files in a folder, newest first, by whole seconds, as some viewers compare."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return [path.name for path in sorted(files, key=lambda path: -int(path.stat().st_mtime))]
