"""A model hub on the loopback interface, with the layout of the real one and optional faults."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Hub:
    """Serves one folder as one repository at one commit."""

    def __init__(self, folder: Path, repository: str, commit: str) -> None:
        self.folder = folder
        self.repository = repository
        self.commit = commit
        self.cut_after: int | None = None
        """bytes of a weights file after which the connection is closed"""
        self.lie = False
        """serve zeros instead of the weights"""
        self.ranges: list[str | None] = []
        """the Range of each GET of a weights file"""
        self.agents: set[str] = set()
        """the User-Agent of each request"""
        self.endpoint = ""


@contextmanager
def serving(folder: Path, repository: str, commit: str) -> Iterator[Hub]:
    """Run a hub during the block."""
    hub = Hub(folder, repository, commit)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

        def do_GET(self) -> None:
            hub.agents.add(self.headers.get("User-Agent", ""))
            prefix = f"/api/models/{hub.repository}"
            path = self.path.partition("?")[0]
            if path.startswith(prefix):
                self._about(path.removeprefix(prefix).removeprefix("/revision/"))
            else:
                self._file()

        def _described(self, file: Path) -> dict[str, Any]:
            """The hub's description: git's blob sha1, and the sha256 of a large file."""
            data = file.read_bytes()
            size = len(data)
            about = {"rfilename": file.relative_to(hub.folder).as_posix(), "size": size}
            blob = {"blobId": hashlib.sha1(b"blob %d\0" % size + data).hexdigest()}
            if file.suffix != ".onnx":
                return about | blob
            sha256 = hashlib.sha256(data).hexdigest()
            return about | blob | {"lfs": {"sha256": sha256, "size": size, "pointerSize": 130}}

        def _about(self, revision: str) -> None:
            if revision not in ("main", hub.commit):
                self._answer(404, {"X-Error-Code": "RevisionNotFound"}, b"")
                return
            paths = sorted(file for file in hub.folder.rglob("*") if file.is_file())
            files = [self._described(file) for file in paths]
            about = {"id": hub.repository, "sha": hub.commit, "siblings": files}
            self._answer(200, {"Content-Type": "application/json"}, json.dumps(about).encode())

        def _file(self) -> None:
            prefix = f"/{hub.repository}/resolve/{hub.commit}/"
            name = self.path.removeprefix(prefix)
            if not self.path.startswith(prefix) or not (hub.folder / name).is_file():
                self._answer(404, {"X-Error-Code": "RepoNotFound"}, b"")
                return
            data = (hub.folder / name).read_bytes()
            weights = name.endswith(".onnx")
            headers = {"X-Repo-Commit": hub.commit}
            if hub.lie and weights:
                data = bytes(len(data))
            wanted, status = self.headers.get("Range"), 200
            if weights:
                hub.ranges.append(wanted)
            if wanted is not None:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                data, status = data[start:], 206
            self._answer(status, headers, data, cut=hub.cut_after if weights else None)

        def _answer(
            self,
            status: int,
            headers: dict[str, str],
            data: bytes,
            cut: int | None = None,
        ) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data[:cut])
            if cut is not None:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
