"""`imgscore review` for tests: an inbox to label, the running command, and an HTTP client."""

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from imgscore import dispatch
from imgscore.verbs import registry
from imgscore.verbs.base import rows_of
from tests.conftest import put
from tests.support.commands import BIN, imgscore

OLD_NS = 1_500_000_000_123_456_789


@pytest.fixture
def labelled_inbox(inbox: Path) -> Path:
    """An inbox with six pictures of each kind; three more of each are in keep/ and trash/."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 9):
            os.utime(path, ns=(OLD_NS, OLD_NS))
            if int(path.stem[-3:]) < 3:
                path.rename(inbox / folder / path.name)
    return inbox


@contextmanager
def reviewing(*options: str) -> Iterator[str]:
    """Run `imgscore review`; gives the address that it prints."""
    shows = () if "--open" in options else ("--no-open",)
    command = [BIN / "imgscore", "review", "--json", *shows, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield json.loads(line)["url"]
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0
            assert b"Traceback" not in process.stderr.read()


class Visitor:
    """An HTTP client that can send any header."""

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        self.host = split.netloc
        self.headers: dict[str, str] = {}

    def ask(
        self, path: str, body: Any = None, method: str = "", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request; gives status, headers and body. `Content_Type=…` sets that header."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent |= {"Content-Type": "application/json"} | sent
        text = None if body is None else json.dumps(body)
        connection.request(method or ("GET" if body is None else "POST"), path, text, sent)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, dict(response.getheaders()), content

    def enter(self, url: str) -> str:
        """Exchange the token of the address for a cookie; gives the page's path."""
        status, headers, _ = self.ask(url.split(self.host)[1])
        assert status == 303, status
        self.headers["Cookie"] = headers["Set-Cookie"].partition(";")[0]
        return headers["Location"]

    def begin(self, url: str) -> tuple[str, dict[str, Any]]:
        """Enter as the owner's browser does; gives the page's path and its data."""
        base = self.enter(url)
        self.headers["Origin"] = f"http://{self.host}"
        return base, page_data(self.ask(base)[2])


def page_data(page: bytes) -> dict[str, Any]:
    """The JSON data in a page."""
    data: dict[str, Any] = json.loads(page.decode().split('id="data">')[1].split("</script>")[0])
    return data


def images_of(data: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """The number and the sha256 of each image of a page, by file name."""
    names, digits = data["images"]["names"].split("/"), data["images"]["sha256"]
    digests = [digits[at : at + 64] for at in range(0, len(digits), 64)]
    return {name: (at, digests[at]) for at, name in enumerate(names)}


def history() -> list[dict[str, Any]]:
    """The rows of `imgscore history`, newest first."""
    return imgscore("history", "--json").rows


def review(**arguments: Any) -> dict[str, Any]:
    """The row that the verb `review` answers, as JSON."""
    request = registry.parse("review", {"taste": "default", **arguments})
    (row,) = rows_of(dispatch.call(request))
    answer: dict[str, Any] = msgspec.to_builtins(row)
    return answer
