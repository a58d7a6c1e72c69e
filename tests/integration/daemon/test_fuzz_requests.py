"""A real daemon against requests of every verb with hostile values, and against raw bytes."""

import base64
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgscore import client
from imgscore.embedders import lite0_spec
from imgscore.testing import Sandbox
from imgscore.verbs import registry
from tests.conftest import put

SECONDS = 120.0
"""The largest number of seconds to wait for an answer, on a busy machine."""
NEVER_ENDS = {"watch-log"}
NUMBERS = [0, 1, -1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308]
NOT_NUMBERS = [None, True, "", "\ud800", "\udcff", "\0", "a" * 5000, [], [[]], {}, {"\ud800": 1}]
TEXTS = ["default", "other", "..", "/", "a/b", "kernel", "sha256", "f" * 64, "0" * 64, "zz", "-n"]
fuzz = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def daemon(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A daemon with a head, and with files that are no regular files beside its images."""
    sandbox.configure(settle=0.1, train_after=0.2, workers=1, free_mb=0)
    for kind, folder in (("sun", sandbox.keep), ("text", sandbox.trash)):
        put(folder, kind, 3)
    put(sandbox.inbox, "sun", 3, first=5)
    os.mkfifo(sandbox.inbox / "pipe")
    os.mkfifo(sandbox.inbox / "pipe.png")
    os.mkfifo(sandbox.inbox / "pipe.parquet")
    os.mkfifo(sandbox.inbox / "pipe.safetensors")
    (sandbox.inbox / "text.png").write_text("no image")
    with sandbox:
        sandbox.start()
        sandbox.settle()
        yield sandbox


def values(sandbox: Sandbox) -> st.SearchStrategy[Any]:
    """A value of any type: paths of the sandbox, numbers beyond all bounds, odd texts."""
    inbox = sandbox.inbox
    names = ["pipe", "pipe.png", "pipe.parquet", "pipe.safetensors", "text.png", "none", "keep"]
    paths = [os.fspath(inbox / name) for name in names]
    others = [os.fspath(inbox), "/dev/zero", "/dev/null", "/proc/self/mem", "/a" * 3000, "x\0y"]
    odd = [os.fsdecode(os.fsencode(inbox) + b"/\xff.png"), f"{inbox}/\ud800.png"]
    simple = st.sampled_from([*paths, *others, *odd, *TEXTS, *NUMBERS, *NOT_NUMBERS])
    return simple | st.lists(simple, max_size=3) | st.integers() | st.text(max_size=20)


@st.composite
def requests(draw: st.DrawFn, sandbox: Sandbox) -> tuple[str, dict[str, Any]]:
    """A verb, and arguments of which most are wrong."""
    verb = draw(st.sampled_from([name for name in registry.names() if name not in NEVER_ENDS]))
    fields = [field.name for field in msgspec.structs.fields(registry.find(verb).Request)]
    given_fields = draw(st.sets(st.sampled_from(fields), max_size=4)) if fields else set()
    value = values(sandbox)
    arguments = {name: draw(value) for name in sorted(given_fields)}
    if verb in ("import-labels", "unwatch", "report", "score", "label"):
        arguments = {name: value for name, value in arguments.items() if not _is_huge(value)}
    if verb == "pause":
        arguments["seconds"] = draw(st.sampled_from([0, -1, 1e308, "1", 10**400]))
    if draw(st.booleans()) and verb in CHOICES:
        arguments |= draw(st.sampled_from(CHOICES[verb]))
    return verb, arguments


def _is_huge(value: object) -> bool:
    """Whether a value names a folder that contains too many files for a test."""
    return "/" in (value if isinstance(value, list) else [value])


CHOICES: dict[str, list[dict[str, Any]]] = {
    "heads": [{"action": "import"}, {"action": "use"}],
    "undo": [{"what": "label"}, {"what": "order", "dry_run": True}],
    "db": [{"action": "drop"}, {"action": "check"}],
    "label": [{"label": "keep"}, {"label": "clear"}],
    "review": [
        {"taste": "default", "label": "keep", "path": "/a", "sha256": "0" * 64},
        {"taste": "default", "group": {"keep": [{"sha256": "0" * 64, "path": "/a"}]}},
        {"taste": "default", "group": {"undo": [1]}},
    ],
}


def exchange(daemon: Sandbox, line: bytes) -> dict[str, Any] | None:
    """Send a line; return the last line of the answer, or None if there is none."""
    connection = client.connect(daemon.socket_path)
    assert connection is not None, daemon.log_tail()
    with connection:
        connection.settimeout(SECONDS)
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as lines:
            answer = [json.loads(line) for line in lines]
    return answer[-1] if answer else None


@fuzz
@given(st.data())
def test_daemon_typed_requests_are_all_answered(daemon: Sandbox, data: st.DataObject) -> None:
    verb, arguments = data.draw(requests(daemon))
    line = json.dumps({"verb": verb, "arguments": arguments}).encode() + b"\n"
    last = exchange(daemon, line)
    assert last is not None and ("done" in last or "error" in last), (verb, arguments, last)
    assert "defect" not in last.get("remedy", ""), (verb, arguments, last)
    assert daemon.running and daemon.status()["state"] in ("running", "paused")
    assert "Traceback" not in daemon.log_text


@fuzz
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8")))
def test_daemon_raw_bytes_are_refused(daemon: Sandbox, line: bytes) -> None:
    last = exchange(daemon, line.replace(b"\n", b"") + b"\n")
    assert last is not None and last["exit"] == 2
    assert "Traceback" not in daemon.log_text


DEEP = b"[" * 100_000
LINES = [
    b"\n", b"{}\n", b"[]\n", b"null\n", DEEP, DEEP + b"\n", b'{"verb": ' + DEEP + b"\n",
    b'{"verb": "status", "arguments": []}\n', b'{"verb": 1, "arguments": {}}\n',
    b'{"verb": "next", "arguments": {"count": NaN}}\n',
    b'{"verb": "wait", "arguments": {"timeout": -Infinity}}\n',
    b'{"verb": "next", "arguments": {"count": ' + b"9" * 5000 + b"}}\n",
    b'{"verb": "status", "protocol": 1e999}\n', b'{"verb": "\\ud800"}\n', b'{"verb": "../x"}\n',
    b'{"verb": "__init__"}\n', b'{"verb": "base"}\n', b"\xff" * (9 << 20),
]  # fmt: skip


FILE = {"path": "/a.png", "seen": [1, 1, 1, 1, 1], "digest": base64.b64encode(bytes(32)).decode()}
BEYOND = [
    ("embed", {"embedder": lite0_spec.ID, "found": [FILE | {"seen": [1, 1, -1, 1, 1]}]}),
    ("embed", {"embedder": lite0_spec.ID, "found": [FILE | {"seen": [2**64, 1, 1, 1, 1]}]}),
    ("embed", {"embedder": lite0_spec.ID, "found": [FILE | {"digest": ""}]}),
    ("embed", {"embedder": lite0_spec.ID, "found": [FILE | {"vector": FILE["digest"]}]}),
    ("next", {"count": 2**64}), ("suspects", {"count": 2**64}), ("report", {"suspects": 2**64}),
    ("explain", {"file": "/a.png", "count": 2**64}), ("history", {"limit": 2**64}),
    ("search", {"text": "x", "count": 2**64}), ("wait", {"timeout": 1e300}),
    ("pause", {"seconds": 1e300}), ("score", {"files": ["/" + "a" * 5000]}),
    ("label", {"label": "keep", "files": ["/a"] * 200_000}), ("scan", {"folder": "/a\0b"}),
    ("heads", {"action": "import", "file": "/\ud800"}),
    ("db", {"action": "drop", "embedder": "e" * 5000}),
    ("review", {"taste": "default", "path": "/a", "sha256": "0" * 64, "undo": 2**64}),
    ("review", {"taste": "default", "group": {"undo": [2**64]}}),
    ("review", {"taste": "default", "group": {"keep": [{"sha256": "0" * 63, "path": "/a"}]}}),
]  # fmt: skip


def test_daemon_odd_lines_and_values_beyond_bounds_are_refused(sandbox: Sandbox) -> None:
    sandbox.configure()
    beyond = [json.dumps({"verb": verb, "arguments": about}).encode() for verb, about in BEYOND]
    with sandbox:
        sandbox.start()
        for line in [*LINES, *(line + b"\n" for line in beyond)]:
            last = _answer(sandbox, line)
            assert last is not None and last["exit"] in (1, 2), line[:80]
            assert "defect" not in last["remedy"], (line[:80], last)
        assert sandbox.status()["state"] == "running"
        assert "Traceback" not in sandbox.log_text


def _answer(sandbox: Sandbox, line: bytes) -> dict[str, Any] | None:
    try:
        return exchange(sandbox, line)
    except (BrokenPipeError, ConnectionResetError):  # it was refused before its end
        return {"exit": 2, "remedy": ""}
