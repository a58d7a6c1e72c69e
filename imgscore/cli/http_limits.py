"""An HTTP server on which slow clients cannot keep others out.

Each request has a deadline, and the number of connections has a bound. Each connection has its own
thread.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_CONNECTIONS = 32
"""The largest number of connections. A browser uses about six. If one more is made, the server
closes the oldest one after its present request; a browser then connects again."""
REQUEST_SECONDS = 60.0
"""The longest time from one request to the end of the next one on a connection, in seconds."""


class LimitedServer(ThreadingHTTPServer):
    """An HTTP server with a bound on its connections."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self._connections: dict[Any, None] = {}
        """the sockets of the open connections, oldest first"""
        self._connections_lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a new thread. If there are too many, end the oldest one."""
        with self._connections_lock:
            self._connections[request] = None
            oldest = next(iter(self._connections))
            crowded = len(self._connections) > MAX_CONNECTIONS
            if crowded:
                del self._connections[oldest]
        if crowded:
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RD)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._connections_lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)


class LimitedHandler(BaseHTTPRequestHandler):
    """The handler of a connection. A request that is not complete in time ends the connection."""

    timeout = REQUEST_SECONDS

    def setup(self) -> None:
        """Read through a reader that has a deadline."""
        super().setup()
        self._reader = _Reader(self.connection)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        """Read and answer one request. http.server catches the TimeoutError of a late request."""
        self._reader.deadline = time.monotonic() + REQUEST_SECONDS
        super().handle_one_request()


class _Reader(io.RawIOBase):
    """The bytes that a client sends. A read raises TimeoutError after `deadline`.

    `deadline`: in seconds of the monotonic clock. The timeout of a socket restarts at each byte.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request is not complete")
        self._connection.settimeout(left)
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(REQUEST_SECONDS)
