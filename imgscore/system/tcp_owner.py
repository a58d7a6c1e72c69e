"""Finds the user at the other end of a TCP connection on this machine.

The kernel lists all connections, with the user of each, in /proc/net/tcp and /proc/net/tcp6.
"""

import contextlib
import socket
import struct
from pathlib import Path
from typing import Any

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
# The state of a connection that both processes have closed. The kernel shows it as a connection of
# root.
_TIME_WAIT = "06"


def owner_of(client: tuple[Any, ...], server: tuple[Any, ...]) -> int | None:
    """Return the user id of the process that connected from `client` to `server`.

    `client`, `server`: the addresses of the two ends, as `socket.getpeername` returns them. Both
    must be on this machine. None means that the kernel lists no such connection.
    """
    wanted = {(near, far) for near, far in zip(_forms(client), _forms(server), strict=True)}
    for table in TABLES:
        with contextlib.suppress(OSError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if (fields[1], fields[2]) in wanted and fields[3] != _TIME_WAIT:
                    return int(fields[7])
    return None


def _forms(address: tuple[Any, ...]) -> list[str]:
    """Return the forms in which the kernel may list an address.

    An IPv6 socket that is connected to an IPv4 address is listed with a mapped address.
    """
    host, port = address[:2]
    if ":" in host:
        packed = [socket.inet_pton(socket.AF_INET6, host.partition("%")[0])]
    else:
        four = socket.inet_aton(host)
        packed = [four, bytes(10) + b"\xff\xff" + four]
    return [
        "".join(f"{word:08X}" for word in struct.unpack(f"={len(raw) // 4}I", raw)) + f":{port:04X}"
        for raw in packed
    ]
