"""A command and a daemon of different versions: each error says that the daemon must restart."""

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from imgscore import client, protocol
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import BaseRequest
from imgscore.system import upgrade
from imgscore.verbs import next as next_images
from imgscore.verbs import report


def error_of(tmp_path: Path, answer: protocol.Line, request: BaseRequest[Any]) -> ImgscoreError:
    """Return the error that a client raises if a daemon answers a request with this line."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                assert json.loads(peer.recv(10_000))["verb"]
                peer.sendall(protocol.encode(answer))

        thread = threading.Thread(target=serve)
        thread.start()
        connection = client.connect(tmp_path / "control.sock")
        assert connection is not None
        with connection, pytest.raises(ImgscoreError) as caught:
            list(client.call(connection, request))
        thread.join()
    return caught.value


@pytest.mark.parametrize(
    "message",
    [
        "report: Object contains unknown field `groups`",
        "report: Object missing required field `colour`",
        "there is no command 'report'",
    ],
)
def test_call_daemon_of_another_version_is_named(tmp_path: Path, message: str) -> None:
    line = protocol.error_line(UsageError(message, "see imgscore report --help"))
    error = error_of(tmp_path, line, report.Request(groups=False))
    assert "another version" in error.message and message in error.message
    assert error.remedy == upgrade.REMEDY and "imgscore stop" in error.remedy
    assert error.exit_code == 1


def test_call_wrong_argument_stays_an_error_of_usage(tmp_path: Path) -> None:
    line = protocol.error_line(UsageError("no watched folder has the taste 'x'", "see: status"))
    error = error_of(tmp_path, line, next_images.Request("x"))
    assert type(error) is UsageError and error.remedy == "see: status"
    assert error.exit_code == 2


def test_call_row_of_another_version_is_named(tmp_path: Path) -> None:
    error = error_of(tmp_path, {"result": {"colour": "red"}}, report.Request())
    assert "cannot be read" in error.message and error.remedy == upgrade.REMEDY
