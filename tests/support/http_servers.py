"""Stand-ins for servers of other programs: they check requests as the documents of these say."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Request(NamedTuple):
    """A request, with its query and its body decoded."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Refusal(Exception):  # noqa: N818
    """The answer of a server that refuses a request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


Answer = Callable[[Request], tuple[int, Any]]


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, list[Request]]]:
    """Run a server; gives its address and the list of its requests.

    `answer` returns the status and the object to send as JSON (None: no content), or raises
    Refusal.
    """
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            split = urlsplit(self.path)
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = {name: values[-1] for name, values in parse_qs(split.query).items()}
            request = Request(self.command, split.path, query, headers, None)
            try:
                if data:
                    if headers.get("content-type") != "application/json":
                        raise Refusal(400, "the body is not JSON")
                    request = request._replace(body=json.loads(data))
                status, content = answer(request)
            except Refusal as refusal:
                status, content = refusal.status, {"error": str(refusal)}
            requests.append(request)
            body = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
