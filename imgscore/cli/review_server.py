"""Serves the page of `review` on a loopback port, to the one browser that brought the token.

Another page, another user, another name for this machine (DNS rebinding) is refused: by the Host
and Origin of a request, and by a cookie that only the token's bearer has.
"""

from __future__ import annotations

import hmac
import json
import mimetypes
import os
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from socketserver import TCPServer
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from imgscore.cli.review_session import Session
from imgscore.errors import ImgscoreError
from imgscore.fsutil import open_regular

LOOPBACK = "127.0.0.1"
COOKIE = "imgscore"
MAX_BYTES = 1 << 16
"""Of a request's body."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class ReviewServer(ThreadingHTTPServer):
    """Listens from construction on; `url` is good for one browser."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, session: Session, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.session = session
        self.origin = f"http://{LOOPBACK}:{self.server_address[1]}"
        # A folder of its own, so that the cookie is sent to no other server of this machine.
        self.base = f"/{secrets.token_urlsafe(6)}/"
        self.secret = secrets.token_urlsafe(24)
        self._token = secrets.token_urlsafe(24)

    def server_bind(self) -> None:
        """As http.server's, which asks the resolver for a name of ours that nobody needs."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    @property
    def url(self) -> str:
        """Where a browser begins."""
        return f"{self.origin}/?token={self._token}"

    def redeem(self, token: str) -> bool:
        """Whether this is the token; it is good for once."""
        right = bool(self._token) and hmac.compare_digest(token.encode(), self._token.encode())
        if right:
            self._token = ""
        return right

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that turns away in the middle of an answer is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version = "imgscore"
    sys_version = ""
    timeout = 60.0  # a connection with nothing to say ends, and its thread with it

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        if not self._is_ours():
            return
        if split.path == "/":
            self._begin(parse_qs(split.query).get("token", [""])[0])
        elif self._is_known():
            self._show(split.path.removeprefix(self.server.base))

    def do_POST(self) -> None:
        if not self._is_ours() or not self._is_known():
            return
        if self.headers.get("Origin") != self.server.origin:
            self._refuse("this does not come from the review's own page")
            return
        if self.headers.get_content_type() != "application/json":
            self._refuse("not JSON", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= MAX_BYTES:
                raise ValueError
            asked = json.loads(self.rfile.read(length))
            act = self.server.session.acts[urlsplit(self.path).path.removeprefix(self.server.base)]
            answer, status = act(asked), HTTPStatus.OK
        except ImgscoreError as error:
            answer, status = {"error": f"{error.message}: {error.remedy}"}, HTTPStatus.CONFLICT
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            self.close_connection = True
            answer, status = {"error": "the review does not understand"}, HTTPStatus.BAD_REQUEST
        self._send(json.dumps(answer).encode(), "application/json", status)

    def _is_ours(self) -> bool:
        """Whether the request is for this server, and from no other page; else it is refused."""
        origin = self.headers.get("Origin", self.server.origin)
        site = self.headers.get("Sec-Fetch-Site", "none")
        host = self.server.origin.removeprefix("http://")
        if self.headers.get_all("Host") != [host] or origin != self.server.origin:
            self._refuse("this is another server's business")
        elif site not in ("none", "same-origin"):
            self._refuse("no other page may lead here: copy the address into the browser")
        else:
            return True
        return False

    def _is_known(self) -> bool:
        """Whether the request brings the cookie; else it is refused.

        The machine's other servers, on whatever port, may have set cookies of any form beside it.
        """
        wanted = f"{COOKIE}={self.server.secret}".encode()
        given = [one.strip().encode() for one in self.headers.get("Cookie", "").split(";")]
        right = [one for one in given if hmac.compare_digest(one, wanted)]
        if right and self.path.startswith(self.server.base):
            return True
        self._refuse("this review belongs to another browser")
        return False

    def _begin(self, token: str) -> None:
        if not self.server.redeem(token):
            self._refuse("this address was used already: call imgscore review again")
            return
        cookie = (
            f"{COOKIE}={self.server.secret}; Path={self.server.base}; HttpOnly; SameSite=Strict"
        )
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", self.server.base)
        self.send_header("Set-Cookie", cookie)
        self._end_headers(0)

    def _show(self, what: str) -> None:
        session = self.server.session
        kind, _, rest = what.partition("/")
        try:
            if not what:
                text, policy = session.page()
                self._send(text.encode(), "text/html; charset=utf-8", policy=policy)
            elif kind == "thumbnails":
                self._send_file(session.thumbnail(rest), "image/webp")
            elif kind == "image":
                path = session.image(rest)
                self._send_file(path, mimetypes.guess_type(os.fsdecode(path))[0] or "")
            else:
                raise KeyError
        except ConnectionError:
            raise  # the browser has turned away
        except (KeyError, ValueError, IndexError, FileNotFoundError):
            self._refuse("there is nothing here", HTTPStatus.NOT_FOUND)
        except OSError as error:
            self._refuse(f"cannot be read: {error.strerror}", HTTPStatus.FORBIDDEN)

    def _send_file(self, path: bytes, kind: str) -> None:
        """An image's bytes. Never through a link, and only of a regular file."""
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            kind = kind if kind.startswith("image/") else "application/octet-stream"
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self._end_headers(size)
            # Of a file that has shrunk meanwhile the browser gets the beginning, and no more.
            self.close_connection |= not _copy(file, self.wfile, size)

    def _send(
        self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, *, policy: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self._end_headers(len(body), policy=policy)
        self.wfile.write(body)

    def _refuse(self, why: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> None:
        self.close_connection = True
        self._send(f"{why}\n".encode(), "text/plain; charset=utf-8", status)

    def _end_headers(self, length: int, *, policy: str = "") -> None:
        own = {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'"} if policy else {}
        for name, value in {**HEADERS, **own, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """The terminal is for the user."""


def _copy(source: BinaryIO, target: BufferedIOBase, length: int) -> bool:
    """At most `length` bytes, should the file grow meanwhile; whether there were so many."""
    chunk = 1 << 16
    while length > 0 and (data := source.read(min(chunk, length))):
        target.write(data)
        length -= len(data)
    return not length
