"""The control socket. Each client has its own thread and sends one request.

Only the user who runs the daemon can connect. A `status` request is answered from the loop's newest
status, so the client does not wait for the loop.
"""

import errno
import json
import logging
import os
import queue
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from imgscore import protocol
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import Result
from imgscore.protocol import Line
from imgscore.system import private
from imgscored.mailbox import END, FOLLOWS, Call, Mailbox

logger = logging.getLogger(__name__)

MAX_CLIENTS = 32
# The longest wait for the request of a client, in seconds.
REQUEST_SECONDS = 10.0
# Seconds between two checks whether a waiting client is still connected.
GONE_SECONDS = 1.0
# The temporary errors of accept(), such as a lack of descriptors or memory. The server tries again
# after RETRY_SECONDS.
TRANSIENT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED})
RETRY_SECONDS = 0.1


class Server:
    """The server of the control socket. It listens from its construction until close()."""

    def __init__(
        self, path: Path, mailbox: Mailbox, snapshot: Callable[[], msgspec.Struct]
    ) -> None:
        self._path = path
        self._mailbox = mailbox
        self._snapshot = snapshot
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private.check_runtime_folder(path.parent)
        # If the socket exists, an earlier daemon was killed and has left it. No other daemon can
        # run now, because this daemon has locked the store.
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            with protocol.address(path) as name:
                self._listener.bind(name)
        finally:
            os.umask(before)
        self._listener.listen(MAX_CLIENTS)
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError as error:
                if error.errno not in TRANSIENT or self._closed.wait(RETRY_SECONDS):
                    return  # The socket was closed.
                continue
            with self._lock:
                crowded = len(self._clients) >= MAX_CLIENTS
                if not crowded:
                    self._clients.add(client)
            if crowded or protocol.peer(client).uid != os.getuid():
                self._forget(client)
                continue
            thread = threading.Thread(
                target=self._serve, args=(client,), name="client", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # The system has no free thread. The client may try again.
                self._forget(client)

    def _serve(self, client: socket.socket) -> None:
        call = None
        try:
            client.settimeout(REQUEST_SECONDS)
            call = _request(client)
            if call.verb == "status":
                line = protocol.message_line(Result(self._snapshot()))
                client.sendall(protocol.encode(line))
                client.sendall(protocol.encode({"done": True}))
                return
            self._mailbox.call(call)
            # A client that follows events but does not read them is disconnected after a timeout.
            if call.verb != FOLLOWS:
                # This client has no timeout, because a person may read slowly, for example with
                # `imgscore history | less`.
                client.settimeout(None)
            while (answer := _next_answer(call, client)) is not END:
                client.sendall(protocol.encode(answer))
        except ImgscoreError as error:
            _try_to_say(client, protocol.error_line(error))
        except OSError as error:
            logger.debug("a client went away: %s", error)
        finally:
            if call is not None:
                call.cancelled = True
            self._forget(client)

    def _forget(self, client: socket.socket) -> None:
        with self._lock:
            self._clients.discard(client)
        client.close()

    def is_alive(self) -> bool:
        """Return whether the listening thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop listening, and disconnect the waiting clients."""
        self._closed.set()
        with self._lock:
            clients = list(self._clients)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for client in clients:
            try:
                client.shutdown(socket.SHUT_RD)
            except OSError:
                continue
        self._path.unlink(missing_ok=True)


def _request(client: socket.socket) -> Call:
    """Read the request of a client. Raises UsageError if the request is invalid."""
    buffer = bytearray()
    while b"\n" not in buffer:
        part = client.recv(1 << 16)
        if not part or len(buffer) + len(part) > protocol.MAX_REQUEST_BYTES:
            raise UsageError("the request is not one line of JSON", "see docs/control.md")
        buffer += part
    try:
        request = json.loads(bytes(buffer).partition(b"\n")[0])
        verb, arguments = request["verb"], request.get("arguments", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            'the request is not {"verb": …, "arguments": {…}}', "see docs/control.md"
        ) from None
    if not isinstance(verb, str) or not isinstance(arguments, dict):
        raise UsageError(
            'the request is not {"verb": "…", "arguments": {…}}', "see docs/control.md"
        )
    spoken = request.get("protocol", protocol.PROTOCOL)
    if spoken != protocol.PROTOCOL and verb != "stop":
        raise ImgscoreError(
            f"the daemon has another version: it uses protocol {protocol.PROTOCOL}; this program "
            f"uses {spoken}",
            "imgscore was upgraded while the daemon ran. Restart the daemon: imgscore stop, then "
            "imgscore start",
        )
    return Call(verb, arguments)


def _next_answer(call: Call, client: socket.socket) -> Line | None:
    """Wait for the next line of an answer and return it.

    Raises OSError if the client has disconnected.
    """
    poll = select.poll()
    poll.register(client, 0)  # poll() always reports POLLHUP, so no flag is needed.
    while True:
        try:
            return call.answers.get(timeout=GONE_SECONDS)
        except queue.Empty:
            if poll.poll(0):
                raise ConnectionResetError("the client did not wait for the answer") from None


def _try_to_say(client: socket.socket, line: Line) -> None:
    try:
        client.sendall(protocol.encode(line))
    except OSError:
        return
