"""The HTTP server of the review, with slow clients and with many clients."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from imgscore.cli import http_limits
from imgscore.cli.http_limits import LimitedHandler, LimitedServer


class Handler(LimitedHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        return


class Server(LimitedServer):
    def handle_error(self, request: object, client_address: object) -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def get(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_http_server_many_silent_clients_do_not_keep_others_out(port: int) -> None:
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    try:
        for _ in range(5):
            assert get(port) == b"ok"
        clients[0].settimeout(60)
        assert clients[0].recv(10) == b""  # the oldest one was closed
    finally:
        for client in clients:
            client.close()


def test_http_server_dripping_client_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "REQUEST_SECONDS", 0.5)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=0.02) as client,
        suppress(ConnectionError),
    ):
        answer = None
        while answer != b"":  # until the server closes the connection
            client.sendall(b"x")
            with suppress(TimeoutError):
                answer = client.recv(10)
    assert get(port) == b"ok"


def test_http_server_keeps_a_connection_for_several_requests(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"ok"
    connection.close()
