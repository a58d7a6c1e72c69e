"""A message bus that accepts connections and never answers."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def silent_bus(tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Starts such a bus; returns its address."""
    with socket.socket(socket.AF_UNIX) as listener:

        def listen() -> str:
            listener.bind(str(tmp_path / "silent"))
            listener.listen()
            return f"unix:path={tmp_path}/silent"

        yield listen
