"""The control socket. Each client has its own thread and sends one request.

Only the user who runs the daemon can connect. A `status` request is answered from the loop's newest
status, so the client does not wait for the loop.

Clients of one kind cannot keep the others out. There are three kinds, each with its own limit:
clients that have not sent their request yet, clients that wait for an answer, and followers, whose
calls may take for ever. A `status` request is answered at once, so it needs no place.
"""

import contextlib
import errno
import json
import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from imgscore import protocol
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import Result
from imgscore.protocol import Line
from imgscore.system import private, upgrade
from imgscored.hangups import Hangups
from imgscored.mailbox import END, FOLLOWS, Call, Disconnected, Mailbox

logger = logging.getLogger(__name__)

# The largest number of clients that have not sent their request. If one more connects, the client
# that has had the most time for its request is disconnected.
MAX_READING = 32
# The largest number of calls that wait for an answer, and the largest number of followers.
MAX_CALLS = 32
MAX_FOLLOWERS = 32
# The verbs of followers.
FOLLOWERS = frozenset({FOLLOWS, "wait"})
# The longest time from the connection of a client to the end of its request, in seconds. Also the
# longest time to send one line to a follower.
REQUEST_SECONDS = 10.0
# The same limit for a client that connects while no file descriptor is free. The other clients wait
# during this time.
HURRIED_SECONDS = 0.5
# The temporary errors of accept(), such as a lack of descriptors or memory. The server tries again
# after RETRY_SECONDS.
TRANSIENT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED})
RETRY_SECONDS = 0.1
# The advice for a program that is older than this daemon.
OLDER_CLIENT = (
    "this program is older than the daemon: upgrade it, or start it again if it ran during the "
    "upgrade"
)
# The longest time that close() waits for requests of clients that have already connected, in
# seconds. They send their request at once, but the machine may be busy.
CLOSE_SECONDS = 1.0


def _remove_socket(path: Path) -> None:
    """Delete the socket at `path`, if there is one. Raises ImgscoreError if it is another file."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise ImgscoreError(
            f"{path} is not a socket", "move it elsewhere, then start the daemon again"
        )
    path.unlink(missing_ok=True)


class Server:
    """The server of the control socket. It listens from its construction until close()."""

    def __init__(
        self, path: Path, mailbox: Mailbox, snapshot: Callable[[], msgspec.Struct]
    ) -> None:
        self._path = path
        self._mailbox = mailbox
        self._snapshot = snapshot
        self._reading: dict[socket.socket, None] = {}
        """the clients that have not sent their request, oldest first"""
        self._calls: set[socket.socket] = set()
        self._followers: set[socket.socket] = set()
        self._spare = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        """a reserve: the server closes it to accept a client if no other descriptor is free"""
        self._lock = threading.Lock()
        self._request_read = threading.Condition(self._lock)
        self._closed = threading.Event()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private.check_runtime_folder(path.parent)
        # If the socket exists, an earlier daemon was killed and has left it. No other daemon can
        # run now, because this daemon has locked the store.
        _remove_socket(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            with protocol.address(path) as name:
                self._listener.bind(name)
        finally:
            os.umask(before)
        self._listener.listen(MAX_READING)
        self._hangups = Hangups(self._listener)
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                self._hangups.wait_for_client()
                client, _ = self._listener.accept()
            except OSError as error:
                if error.errno not in TRANSIENT or self._closed.is_set():
                    return  # The socket was closed.
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._answer_without_descriptors()
                elif self._closed.wait(RETRY_SECONDS):
                    return
                continue
            if protocol.peer(client).uid != os.getuid():
                client.close()
                continue
            with self._lock:
                self._reading[client] = None
                oldest = next(iter(self._reading))
                crowded = len(self._reading) > MAX_READING
                if crowded:
                    del self._reading[oldest]
            if crowded:
                _disconnect(oldest)
            thread = threading.Thread(
                target=self._serve, args=(client,), name="client", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # The system has no free thread. The client may try again.
                self._forget(client)

    def _answer_without_descriptors(self) -> None:
        """Accept one client although no file descriptor is free, and answer it at once.

        Only `status` gets its answer. For another verb, the answer is an error: the work would need
        descriptors too.
        """
        os.close(self._spare)
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        else:
            with client:
                if protocol.peer(client).uid == os.getuid():
                    self._answer_hurriedly(client)
        finally:
            self._spare = -1
            while self._spare < 0 and not self._closed.is_set():
                try:
                    self._spare = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
                except OSError:
                    self._closed.wait(RETRY_SECONDS)

    def _answer_hurriedly(self, client: socket.socket) -> None:
        try:
            call = _request(client, HURRIED_SECONDS)
            if call.verb != "status":
                raise ImgscoreError(
                    "the daemon has no free file descriptor",
                    "end other programs, or raise the limits (ulimit)",
                )
            self._send_status(client)
        except ImgscoreError as error:
            _try_to_say(client, protocol.error_line(error))
        except (OSError, ValueError) as error:
            logger.debug("a client has disconnected: %s", error)

    def _send_status(self, client: socket.socket) -> None:
        line = protocol.message_line(Result(self._snapshot()))
        client.sendall(protocol.encode(line) + protocol.encode({"done": True}))

    def _begin(self, client: socket.socket, call: Call) -> None:
        """Give a call a place among the calls or the followers. Raises ImgscoreError if all are
        taken."""
        follows = call.verb in FOLLOWERS
        places, limit = (self._followers, MAX_FOLLOWERS) if follows else (self._calls, MAX_CALLS)
        with self._lock:
            self._no_longer_reading(client)
            if len(places) < limit:
                places.add(client)
                return
        what = "wait or follow the log" if follows else "wait for an answer"
        raise ImgscoreError(
            f"{limit} clients already {what}", "end some of them, then run the command again"
        )

    def _serve(self, client: socket.socket) -> None:
        call = None
        try:
            call = _request(client, REQUEST_SECONDS)
            client.settimeout(REQUEST_SECONDS)
            if call.verb == "status":
                self._send_status(client)
                return
            self._begin(client, call)
            self._hangups.add(client, call)
            self._mailbox.call(call)
            # A client that follows events but does not read them is disconnected after a timeout.
            if call.verb != FOLLOWS:
                # This client has no timeout, because a person may read slowly, for example with
                # `imgscore history | less`.
                client.settimeout(None)
            while (answer := _next_answer(call)) is not END:
                client.sendall(protocol.encode(answer))
        except ImgscoreError as error:
            _try_to_say(client, protocol.error_line(error))
        except OSError as error:
            logger.debug("a client has disconnected: %s", error)
        except Exception as error:  # Without an answer, the client would not know the reason.
            logger.exception("an answer could not be sent")
            _try_to_say(client, protocol.error_line(ImgscoreError(repr(error), "see the log")))
        finally:
            if call is not None:
                call.cancelled = True
            self._forget(client)

    def _forget(self, client: socket.socket) -> None:
        with self._lock:
            self._no_longer_reading(client)
            self._calls.discard(client)
            self._followers.discard(client)
            self._request_read.notify_all()
        self._hangups.remove(client)
        client.close()

    def _no_longer_reading(self, client: socket.socket) -> None:
        self._reading.pop(client, None)
        if not self._reading:
            self._request_read.notify_all()

    def has_clients(self) -> bool:
        """Return whether a client has not received its whole answer after CLOSE_SECONDS."""
        with self._request_read:
            return not self._request_read.wait_for(
                lambda: not (self._reading or self._calls or self._followers), CLOSE_SECONDS
            )

    def is_alive(self) -> bool:
        """Return whether the listening thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop listening, and accept no further requests.

        Clients that have already connected can send their request for CLOSE_SECONDS. Their calls
        stay in the mailbox, for the next loop.
        """
        self._path.unlink(missing_ok=True)
        self._closed.set()
        self._listener.setblocking(False)
        self._hangups.wake()
        self._thread.join()  # It first accepts all clients that have connected.
        with self._request_read:
            self._request_read.wait_for(lambda: not self._reading, CLOSE_SECONDS)
            clients = [*self._reading, *self._calls, *self._followers]
        self._listener.close()
        self._hangups.close()
        if self._spare >= 0:
            os.close(self._spare)
        for client in clients:
            _disconnect(client)


def _disconnect(client: socket.socket) -> None:
    """End the wait of a client's thread for a request. The thread then closes the socket."""
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RD)


def _request(client: socket.socket, seconds: float) -> Call:
    """Read the request of a client. Raises UsageError if the request is invalid.

    `seconds`: the time limit of the whole request, also if the client has sent a part of it.
    """
    deadline = time.monotonic() + seconds
    buffer = bytearray()
    while b"\n" not in buffer:
        client.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            part = client.recv(1 << 16)
        except TimeoutError:
            raise UsageError(
                f"the request was not complete after {seconds:g} s", "see docs/control.md"
            ) from None
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
        older = isinstance(spoken, int) and spoken < protocol.PROTOCOL
        raise ImgscoreError(
            f"the daemon has another version: it uses protocol {protocol.PROTOCOL}; this program "
            f"uses {spoken}",
            OLDER_CLIENT if older else upgrade.REMEDY,
        )
    return Call(verb, arguments)


def _next_answer(call: Call) -> Line | None:
    """Wait for the next line of an answer and return it.

    Raises OSError if the client has disconnected.
    """
    answer = call.answers.get()
    if isinstance(answer, Disconnected):
        raise ConnectionResetError("the client did not wait for the answer")
    return answer


def _try_to_say(client: socket.socket, line: Line) -> None:
    try:
        client.sendall(protocol.encode(line))
    except OSError:
        return
