"""The control socket, with clients that break the protocol."""

import contextlib
import json
import os
import resource
import select
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from imgscored import server as server_module
from imgscored.mailbox import END, Call, Mailbox
from imgscored.server import Server

from imgscore import client, protocol
from imgscore.errors import ImgscoreError, ModelError, NoDaemonError, StoreError, UsageError
from imgscore.messages import Message, Result
from imgscore.store.lock import BusyError
from imgscore.testing import eventually
from tests.support.processes import are_quiet
from tests.support.statuses import make_status

STATUS = make_status()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    """A server whose loop echoes: its path, longer than a socket address may be."""
    path = tmp_path / ("x" * 60) / ("y" * 60) / "control.sock"
    mailbox = Mailbox()
    server = Server(path, mailbox, lambda: STATUS)
    ended = threading.Event()

    def loop() -> None:
        while not ended.is_set():
            for call in mailbox.take().calls:
                call.answers.put({"result": {"verb": call.verb, **call.arguments}})
                call.answers.put({"done": True})
                call.answers.put(END)
            ended.wait(0.005)

    thread = threading.Thread(target=loop)
    thread.start()
    yield path
    server.close()
    ended.set()
    thread.join()
    mailbox.close()
    assert not path.exists()


def connect(path: Path) -> socket.socket:
    connection = client.connect(path)
    assert connection is not None
    connection.settimeout(60)
    return connection


def rows(path: Path, verb: str, arguments: dict[str, Any]) -> list[Message[Any]]:
    with connect(path) as connection:
        return list(client.exchange(connection, verb, arguments))


def test_server_request_is_answered(server: Path) -> None:
    assert stat.S_IMODE(server.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.parent.stat().st_mode) == 0o700
    assert rows(server, "status", {}) == [Result(msgspec.to_builtins(STATUS))]
    odd = "\ud8ff\n\x1b\U0001f600"
    assert rows(server, "echo", {"odd": odd}) == [Result({"verb": "echo", "odd": odd})]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{\n",
        b"null\n",
        b"[]\n",
        b'{"verb": 3}\n',
        b'{"verb": "x", "arguments": []}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_server_malformed_request_gets_an_error(server: Path, line: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(line)
        answer = json.loads(connection.makefile("rb").readline())
    assert answer["exit"] == 2
    assert rows(server, "status", {})


def test_server_endless_request_is_cut_off(server: Path) -> None:
    with connect(server) as connection:
        try:
            for _ in range(protocol.MAX_REQUEST_BYTES // 2**16 + 100):
                connection.sendall(b"x" * 2**16)
        except OSError:
            pass
    assert rows(server, "status", {})


@pytest.mark.parametrize("verb", ["status", "history"])
@pytest.mark.parametrize(
    ("newer", "remedy"), [(1, "imgscore stop"), (-1, "this program is older than the daemon")]
)
def test_server_other_protocol_version_is_refused(
    verb: str, newer: int, remedy: str, server: Path
) -> None:
    line = protocol.encode({"verb": verb, "protocol": protocol.PROTOCOL + newer})
    with connect(server) as connection:
        connection.sendall(line)
        answer = json.loads(connection.makefile("rb").readline())
    assert "another version" in answer["error"] and remedy in answer["remedy"]


def test_server_stop_works_across_versions(server: Path) -> None:
    for request in ({"verb": "stop", "protocol": protocol.PROTOCOL + 1}, {"verb": "history"}):
        with connect(server) as connection:
            connection.sendall(protocol.encode(request))
            assert "result" in json.loads(connection.makefile("rb").readline())


def test_server_silent_clients_do_not_block_others(server: Path) -> None:
    silent = [connect(server) for _ in range(20)]
    try:
        assert rows(server, "status", {}) == [Result(msgspec.to_builtins(STATUS))]
    finally:
        for one in silent:
            one.close()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
def test_server_other_user_is_refused(server: Path) -> None:
    for path in (server.parent, server):
        path.chmod(0o777)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(server.parent)  # the folders above it, which are not the test's, may be closed
        os.setuid(65534)
        try:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(server.name)
            connection.sendall(protocol.encode({"verb": "status"}))
            os.write(write, connection.recv(100) or b"nothing")
        except OSError as error:
            os.write(write, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    said = os.read(read, 200)
    os.close(read)
    os.close(write)
    assert said in (b"nothing", b"ConnectionResetError", b"BrokenPipeError")


def test_server_errors_reach_the_client(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    asked: list[dict[str, Any]] = []

    def answer(line: bytes) -> None:
        peer, _ = listener.accept()
        with peer:
            asked.append(json.loads(peer.recv(1000)))
            peer.sendall(line)

    for line, kind in (
        (protocol.encode(protocol.error_line(UsageError("what", "how"))), UsageError),
        (protocol.encode(protocol.error_line(ModelError("what", "how"))), ModelError),
        (protocol.encode(protocol.error_line(BusyError("what", "how"))), StoreError),
        (b"", NoDaemonError),
        (b'{"result": {"path": "/x', NoDaemonError),  # killed in the middle of a line
    ):
        thread = threading.Thread(target=answer, args=(line,))
        thread.start()
        with pytest.raises(kind):
            rows(tmp_path / "s", "x", {})
        thread.join()
    listener.close()
    assert asked == [{"verb": "x", "arguments": {}, "protocol": protocol.PROTOCOL}] * 5
    assert client.connect(tmp_path / "nothing") is None


def test_an_error_of_an_unknown_kind_keeps_its_text_and_exit_code() -> None:
    line = {"error": "what", "remedy": "how", "kind": "NewError", "exit": 5}
    error = protocol.error_in(line)
    assert type(error) is ImgscoreError
    assert (error.message, error.remedy, error.exit_code) == ("what", "how", 5)


def test_server_client_that_disconnects_frees_its_place(tmp_path: Path) -> None:
    mailbox, path = Mailbox(), tmp_path / "control.sock"
    with closing(mailbox), closing(Server(path, mailbox, lambda: STATUS)):
        for _ in range(server_module.MAX_FOLLOWERS):
            with connect(path) as client:
                client.sendall(protocol.encode({"verb": "wait", "arguments": {}}))

        def answered() -> bool:
            try:
                return rows(path, "status", {}) == [Result(msgspec.to_builtins(STATUS))]
            except NoDaemonError:
                return False

        eventually(answered)


def test_server_follower_without_events_wakes_no_thread(tmp_path: Path) -> None:
    mailbox, path = Mailbox(), tmp_path / "control.sock"
    with closing(mailbox), closing(Server(path, mailbox, make_status)), connect(path) as client:
        asked(mailbox, client, "watch-log")
        threads = [
            Path(f"/proc/self/task/{thread.native_id}")
            for thread in threading.enumerate()
            if thread.name in ("client", "control")
        ]
        assert len(threads) == 2
        eventually(lambda: are_quiet(threads, 1.5), what="no thread wakes for 1.5 s")


def asked(mailbox: Mailbox, client: socket.socket, verb: str) -> Call:
    """The call that a client's request becomes."""
    client.sendall(protocol.encode({"verb": verb, "arguments": {}}))
    return eventually(lambda: mailbox.take().calls, what="the server reads the request")[0]


def limit_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit the time to send a line to 0.1 s. A request may take longer on a busy machine."""
    read = server_module._request
    monkeypatch.setattr(server_module, "_request", lambda client, _: read(client, 60.0))
    monkeypatch.setattr(server_module, "REQUEST_SECONDS", 0.1)


def test_server_slow_reader_receives_a_long_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_sending(monkeypatch)
    mailbox, path = Mailbox(), tmp_path / "control.sock"
    with closing(mailbox), closing(Server(path, mailbox, make_status)), connect(path) as client:
        call = asked(mailbox, client, "history")
        for answer in (*([{"result": {"path": "x" * 1000}}] * 2000), {"done": True}, END):
            call.answers.put(answer)
        time.sleep(0.5)
        lines = client.makefile("rb").readlines()
    assert len(lines) == 2001 and json.loads(lines[-1]) == {"done": True}


def test_server_follower_that_does_not_read_is_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_sending(monkeypatch)
    mailbox, path = Mailbox(), tmp_path / "control.sock"
    with closing(mailbox), closing(Server(path, mailbox, make_status)), connect(path) as client:
        call = asked(mailbox, client, "watch-log")

        def cancelled() -> bool:
            call.answers.put({"result": {"path": "x" * 10_000}})
            return call.cancelled

        eventually(cancelled, pause=0.001)
        lines = client.makefile("rb").readlines()
    assert lines and b"done" not in lines[-1]


def drip(client: socket.socket, ended: threading.Event) -> None:
    """Send a byte from time to time, and never a whole request."""
    with contextlib.suppress(OSError):
        while not ended.wait(0.2):
            client.sendall(b" ")


def test_server_dripping_clients_do_not_keep_others_out(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "REQUEST_SECONDS", 3.0)
    ended = threading.Event()
    clients = [connect(server) for _ in range(100)]
    threads = [threading.Thread(target=drip, args=(client, ended)) for client in clients[60:]]
    for thread in threads:
        thread.start()
    try:
        for verb in ("status", "echo") * 5:
            assert rows(server, verb, {})
        # The last ones are cut off by the deadline, though each of them sends something. A byte
        # that the server has not read resets the connection after the answer, so read only a line.
        for client in clients[-3:]:
            assert b"not complete" in client.makefile("rb").readline()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        for client in clients:
            client.close()


@pytest.mark.parametrize("verb", ["watch-log", "wait", "history"])
def test_server_many_waiting_calls_leave_a_place_for_the_others(tmp_path: Path, verb: str) -> None:
    mailbox, path = Mailbox(), tmp_path / "control.sock"
    with closing(mailbox), closing(Server(path, mailbox, make_status)):
        clients = []
        for _ in range(40):  # Of clients that have sent no request, the server keeps only 32.
            clients.append(connect(path))
            clients[-1].sendall(protocol.encode({"verb": verb, "arguments": {}}))
        refused: list[socket.socket] = []

        def all_refused() -> bool:
            ready, _, _ = select.select(clients, [], [], 0.1)
            refused[:] = ready
            return len(refused) == 8

        eventually(all_refused)
        assert all(b"32 clients" in client.recv(1000) for client in refused)
        for _ in range(3):
            assert len(rows(path, "status", {})) == 1
        with connect(path) as other:
            asked(mailbox, other, "history" if verb != "history" else "wait")
        for client in clients:
            client.close()


def test_server_keeps_listening_without_descriptors(tmp_path: Path) -> None:
    mailbox, path = Mailbox(), tmp_path / "control.sock"
    with closing(mailbox), closing(Server(path, mailbox, lambda: STATUS)):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        client = socket.socket(socket.AF_UNIX)
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, limit[1]))
        spare = []
        try:
            with contextlib.suppress(OSError):
                while True:  # below the limit, too, none is left
                    spare.append(os.open("/dev/null", os.O_RDONLY))
            client.connect(os.fspath(path))
            client.settimeout(60)
            client.sendall(protocol.encode({"verb": "status"}))
            assert b"running" in client.recv(1000)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            for one in spare:
                os.close(one)
        client.close()
        assert len(rows(path, "status", {})) == 1


def test_server_keeps_listening_without_threads(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def none_left(thread: threading.Thread) -> None:
        if thread.name == "client":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        with pytest.raises(NoDaemonError):
            rows(server, "status", {})
    assert rows(server, "status", {}) == [Result(msgspec.to_builtins(STATUS))]


def test_close_with_connected_clients_keeps_their_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a reload, or if a new start is put off, the next loop answers them."""
    path = tmp_path / "run" / "control.sock"
    with closing(Mailbox()) as mailbox:
        server = Server(path, mailbox, lambda: STATUS)
        connections = [connect(path) for _ in range(8)]
        for connection in connections:
            connection.sendall(b'{"verb": "echo"}\n')
        with monkeypatch.context() as patch:
            patch.setattr(server_module, "CLOSE_SECONDS", 60.0)  # for a busy machine
            server.close()
        calls: list[Call] = []
        eventually(lambda: calls.extend(mailbox.take().calls) or len(calls) == len(connections))
        assert server.has_clients()
        assert client.connect(path) is None
        for call in calls:
            call.answers.put({"done": True})
            call.answers.put(END)
        for connection in connections:
            with connection:
                assert json.loads(connection.makefile("rb").readline()) == {"done": True}
        eventually(lambda: not server.has_clients())
