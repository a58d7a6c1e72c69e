"""The user at the other end of a TCP connection on this machine."""

import os
import socket

import pytest

from imgscore.system.tcp_owner import owner_of


@pytest.mark.parametrize(
    ("family", "listen", "connect"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "127.0.0.1", "::ffff:127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
    ],
)
def test_owner_of_own_connection_is_this_user(
    family: socket.AddressFamily, listen: str, connect: str
) -> None:
    own = socket.AF_INET6 if ":" in listen else socket.AF_INET
    try:
        server = socket.create_server((listen, 0), family=own)
    except OSError:
        pytest.skip("cannot use IPv6 here")
    with server, socket.socket(family) as client:
        client.connect((connect, server.getsockname()[1]))
        accepted, address = server.accept()
        with accepted:
            assert owner_of(address, accepted.getsockname()) == os.getuid()


def test_owner_of_unknown_connection_is_none() -> None:
    assert owner_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
