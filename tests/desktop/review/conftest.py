"""Reviews under way: the folder they are about, and the command that serves the page."""

import http.client
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from imgscore.cli import dispatch
from imgscore.verbs.base import rows_of
from tests.conftest import put
from tests.support.commands import BIN, imgscore

OLD_NS = 1_500_000_000_123_456_789


@pytest.fixture
def taught(inbox: Path) -> Path:
    """Six suns and six texts to be labelled, after three of each were."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 9):
            os.utime(path, ns=(OLD_NS, OLD_NS))
            if int(path.stem[-3:]) < 3:
                path.rename(inbox / folder / path.name)
    return inbox


@contextmanager
def reviewing(*options: str) -> Iterator[str]:
    """A running `imgscore review`; gives the address that it prints."""
    shows = () if "--open" in options else ("--no-open",)
    command = [BIN / "imgscore", "review", "--json", *shows, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield json.loads(line)["url"]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
            assert b"Traceback" not in process.stderr.read()


class Visitor:
    """Somebody who speaks HTTP, and says what he likes."""

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        self.host = split.netloc
        self.headers: dict[str, str] = {}

    def ask(
        self, path: str, body: Any = None, method: str = "", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of an answer; a header named other_than_usual replaces."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent |= {"Content-Type": "application/json"} | sent
        text = None if body is None else json.dumps(body)
        connection.request(method or ("GET" if body is None else "POST"), path, text, sent)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    def enter(self, url: str) -> str:
        """Bring the token; gives the folder of the page."""
        status, headers, _ = self.ask(url.split(self.host)[1])
        assert status == 303, status
        self.headers["Cookie"] = headers["Set-Cookie"].partition(";")[0]
        return headers["Location"]

    def begin(self, url: str) -> tuple[str, dict[str, Any]]:
        """Enter as the owner's browser does; gives the folder of the page, and its data."""
        base = self.enter(url)
        self.headers["Origin"] = f"http://{self.host}"
        return base, held(self.ask(base)[2])


def held(page: bytes) -> dict[str, Any]:
    """The data in a page."""
    found: dict[str, Any] = json.loads(page.decode().split('id="data">')[1].split("</script>")[0])
    return found


def history() -> list[dict[str, Any]]:
    """What was done, newest first."""
    return imgscore("history", "--json").rows


def asked(**said: Any) -> dict[str, Any]:
    """The row of the verb, as the command gets it."""
    (row,) = rows_of(dispatch.call("review", {"taste": "default", **said}))
    return row
