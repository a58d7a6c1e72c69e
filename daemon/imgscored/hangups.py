"""Reports clients that disconnect while they wait for an answer.

The thread that accepts clients waits for both, so that no thread has to check its client again and
again: a client that follows the log for days causes no wake-ups.
"""

import os
import select
import socket
import threading

from imgscored.mailbox import DISCONNECTED, Call


class Hangups:
    """The clients whose calls are not answered yet."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._epoll = select.epoll()
        self._epoll.register(listener, select.EPOLLIN)
        self._woken = os.eventfd(0, os.EFD_CLOEXEC)
        self._epoll.register(self._woken, select.EPOLLIN)
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[socket.socket, Call]] = {}
        """the waiting clients and their calls, by file descriptor"""

    def add(self, client: socket.socket, call: Call) -> None:
        """Put DISCONNECTED into the answers of `call` if the client disconnects."""
        with self._lock:
            if self._epoll.closed:
                return
            self._waiting[client.fileno()] = client, call
            # The kernel always reports a disconnection, so no flag is needed. It reports it once,
            # because the client's thread may need some time to close the socket.
            self._epoll.register(client, select.EPOLLONESHOT)

    def remove(self, client: socket.socket) -> None:
        """Forget a client. Call this before the socket is closed."""
        with self._lock:
            if self._waiting.pop(client.fileno(), None) is not None:
                self._epoll.unregister(client)

    def wait_for_client(self) -> None:
        """Report disconnections until a new client connects, or until `wake` was called."""
        while True:
            for descriptor, _ in self._epoll.poll():
                if descriptor in (self._listener.fileno(), self._woken):
                    return
                self._report(descriptor)

    def wake(self) -> None:
        """Let this call and all later calls of `wait_for_client` return at once."""
        os.eventfd_write(self._woken, 1)

    def _report(self, descriptor: int) -> None:
        with self._lock:
            client, call = self._waiting.get(descriptor, (None, None))
            # Another client may have got the same descriptor since the kernel reported the event.
            if client is not None and call is not None and _has_hung_up(client):
                call.answers.put(DISCONNECTED)

    def close(self) -> None:
        """Report the last disconnections. The thread that accepts clients must have ended.

        The other clients still get their answers: the daemon answers each call before it ends, or
        after a change of the config.
        """
        with self._lock:
            for client, call in self._waiting.values():
                if _has_hung_up(client):
                    call.answers.put(DISCONNECTED)
            self._waiting.clear()
            self._epoll.close()
            os.close(self._woken)


def _has_hung_up(client: socket.socket) -> bool:
    poll = select.poll()
    poll.register(client, 0)
    return bool(poll.poll(0))
