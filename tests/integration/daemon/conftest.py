"""What the daemon meets outside: a message bus that accepts, and never says a word."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def silent_bus(tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes the address of one."""
    with socket.socket(socket.AF_UNIX) as listener:

        def listen() -> str:
            listener.bind(str(tmp_path / "silent"))
            listener.listen()
            return f"unix:path={tmp_path}/silent"

        yield listen
