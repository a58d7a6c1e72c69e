"""Serves the page of `review` on a loopback port, to the first browser that sends the token.

The server asks the kernel for the user of each connection, and rejects other users of the machine.
It rejects requests from other web pages, and requests with another host name, which are a sign of
the attack "DNS rebinding". It checks the headers Host and Origin, and a cookie. Only the browser
that sent the token receives the cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import mimetypes
import os
import secrets
from http import HTTPStatus
from io import BufferedIOBase
from socketserver import TCPServer
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

from imgscore.cli.http_limits import LimitedHandler, LimitedServer
from imgscore.cli.output import to_json
from imgscore.cli.review_session import Session
from imgscore.errors import ImgscoreError
from imgscore.fsutil import open_regular, open_without_links
from imgscore.system.tcp_owner import owner_of

LOOPBACK = "127.0.0.1"
COOKIE = "imgscore"
MAX_BODY_BYTES = 1 << 16
"""The largest size of the body of a request, in bytes. The page sends less than 200 bytes."""
MAX_FORM_BYTES = 200
"""The largest size of the form with the token, in bytes. The form has 38 bytes."""
MAX_MEMORY_BYTES = 1 << 24
"""The largest size of an image that is copied in memory, in bytes. A larger image is copied to an
unnamed temporary file."""
COPY_BYTES = 1 << 16
"""The size of the parts in which files are copied, in bytes."""
OPENER = """<!DOCTYPE html><meta charset="utf-8"><title>imgscore review</title>
<form id="form" method="post" action="{origin}/">
<input type="hidden" name="token" value="{token}"><button>Open the review</button></form>
<p>The review opens as soon as imgscore has read the facts of your images.</p>
<script>document.getElementById("form").submit()</script>
"""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class ReviewServer(LimitedServer):
    """The HTTP server of the review page. It listens as soon as the object is created.

    The server serves only one browser: the first browser that opens `url`. A browser that
    connects before `serve` is called waits in the kernel's queue.
    """

    session: Session
    """the source of all answers; `serve` sets it"""

    def __init__(self, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.host = f"{LOOPBACK}:{self.server_address[1]}"
        self.origin = f"http://{self.host}"
        # The page has a random path, and the cookie is limited to this path. Without the limit, the
        # browser would send the cookie to the servers on all ports of this machine.
        self.base = f"/{secrets.token_urlsafe(6)}/"
        self.secret = secrets.token_urlsafe(24)
        self._token = secrets.token_urlsafe(24)

    def serve(self, session: Session) -> None:
        """Answer requests until the process gets a signal."""
        self.session = session
        self.serve_forever()

    def server_bind(self) -> None:
        """Bind the socket. http.server would also look up the host name, which can be slow."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    @property
    def url(self) -> str:
        """The address that the user opens in the browser."""
        return f"{self.origin}/?token={self._token}"

    def redeem(self, token: str) -> bool:
        """Return whether `token` is the token of this server.

        The token is valid only once. After the first success, the result is always False.
        """
        valid = bool(self._token) and hmac.compare_digest(token.encode(), self._token.encode())
        if valid:
            self._token = ""
        return valid

    def opener(self) -> str:
        """Return a page that sends the token to this server and then shows the review.

        The browser gets the path of this page, not the token: all users of the machine can read the
        arguments of a process.
        """
        return OPENER.format(origin=self.origin, token=self._token)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether the client is a process of this user. If not, close the connection."""
        return owner_of(client_address, self.server_address) == os.getuid()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: it is normal that a browser closes a connection during an answer."""


class _Handler(LimitedHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version = "imgscore"
    sys_version = ""

    def do_GET(self) -> None:  # noqa: N802 - http.server calls it
        split = urlsplit(self.path)
        if not self._is_same_origin():
            return
        if split.path == "/":
            self._begin(parse_qs(split.query).get("token", [""])[0])
        elif self._has_cookie():
            self._show(split.path.removeprefix(self.server.base))

    def do_POST(self) -> None:  # noqa: N802 - http.server calls it
        if self.path == "/":
            self._begin_from_opener()
            return
        if not self._is_same_origin() or not self._has_cookie():
            return
        if self.headers.get("Origin") != self.server.origin:
            self._refuse("the request does not come from the review's page")
            return
        if self.headers.get_content_type() != "application/json":
            self._refuse("the request is not JSON", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= MAX_BODY_BYTES:
                raise ValueError
            body = json.loads(self.rfile.read(length))
            action = self.server.session.actions[
                urlsplit(self.path).path.removeprefix(self.server.base)
            ]
            answer, status = action(body), HTTPStatus.OK
        except ImgscoreError as error:
            answer, status = {"error": f"{error.message}: {error.remedy}"}, HTTPStatus.CONFLICT
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            self.close_connection = True
            answer, status = {"error": "the request is not valid"}, HTTPStatus.BAD_REQUEST
        self._send(to_json(answer).encode(), "application/json", status)

    def _begin_from_opener(self) -> None:
        """Answer the form of the opener page. A file has no origin, so only the token counts."""
        try:
            length = int(self.headers.get("Content-Length", ""))
            token = self.rfile.read(length).decode("ascii") if 0 <= length <= MAX_FORM_BYTES else ""
        except ValueError:
            token = ""
        if self.headers.get_all("Host") != [self.server.host] or not self.server.redeem(
            token.removeprefix("token=")
        ):
            self._refuse("this address was already used: run imgscore review again")
            return
        # The browser sends the cookie only with a request from a page of this server. The redirect
        # in this page causes such a request; a redirect in the headers would not.
        text = f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={self.server.base}">'
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Set-Cookie", self._cookie())
        self._end_headers(len(text), policy="default-src 'none'")
        self.wfile.write(text.encode())

    def _cookie(self) -> str:
        return f"{COOKIE}={self.server.secret}; Path={self.server.base}; HttpOnly; SameSite=Strict"

    def _is_same_origin(self) -> bool:
        """Return whether the request is for this host and does not come from another web page.

        If the result is False, this function has already sent an error to the browser.
        """
        origin = self.headers.get("Origin", self.server.origin)
        site = self.headers.get("Sec-Fetch-Site", "none")
        if self.headers.get_all("Host") != [self.server.host] or origin != self.server.origin:
            self._refuse("the address is not that of the review")
        elif site not in ("none", "same-origin"):
            self._refuse(
                "a link on another page cannot open the review: paste the address into the browser"
            )
        else:
            return True
        return False

    def _has_cookie(self) -> bool:
        """Return whether the request has the cookie of this server.

        If the result is False, this function has already sent an error to the browser. A request
        may contain other cookies too, because all ports of a host share their cookies.
        """
        wanted = f"{COOKIE}={self.server.secret}".encode()
        cookies = [text.strip().encode() for text in self.headers.get("Cookie", "").split(";")]
        matching = [cookie for cookie in cookies if hmac.compare_digest(cookie, wanted)]
        if matching and self.path.startswith(self.server.base):
            return True
        self._refuse("another browser has opened this review")
        return False

    def _begin(self, token: str) -> None:
        if not self.server.redeem(token):
            self._refuse("this address was already used: run imgscore review again")
            return
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", self.server.base)
        self.send_header("Set-Cookie", self._cookie())
        self._end_headers(0)

    def _show(self, name: str) -> None:
        session = self.server.session
        kind, _, rest = name.partition("/")
        try:
            if not name:
                text, policy = session.page()
                self._send(text.encode(), "text/html; charset=utf-8", policy=policy)
            elif kind == "order":
                self._send(to_json(session.order(rest)).encode(), "application/json")
            elif kind == "finished":
                self._send(to_json(session.finished_thumbnails(rest)).encode(), "application/json")
            elif kind == "thumbnails":
                with open_regular(session.thumbnail(rest)) as thumbnail:
                    size = os.fstat(thumbnail.fileno()).st_size
                    self._send_file(thumbnail, size, "image/webp")
            elif kind == "image":
                self._send_image(session.image(rest), rest.partition("/")[2])
            else:
                raise KeyError
        except ConnectionError:
            raise  # no answer is possible: the browser has closed the connection
        except (KeyError, ValueError, IndexError, TypeError, FileNotFoundError):
            self._refuse("there is no such page", HTTPStatus.NOT_FOUND)
        except OSError as error:
            self._refuse(f"the file cannot be read: {error.strerror}", HTTPStatus.FORBIDDEN)

    def _send_image(self, path: bytes, digest: str) -> None:
        """Send the image at `path` if it has this digest.

        The bytes are copied before they are sent, so that they are the bytes that were checked.
        Raises OSError if a part of `path` is a symbolic link, or if it is not a regular file.
        """
        with open_without_links(path) as file, SpooledTemporaryFile(MAX_MEMORY_BYTES) as copy:
            found = hashlib.sha256()
            while data := file.read(COPY_BYTES):
                found.update(data)
                copy.write(data)
            size = copy.tell()
            if found.hexdigest() != digest:
                self._refuse("the file has changed since the page was made", HTTPStatus.CONFLICT)
                return
            copy.seek(0)
            self._send_file(copy, size, mimetypes.guess_type(os.fsdecode(path))[0] or "")

    def _send_file(self, file: IO[bytes], size: int, kind: str) -> None:
        """Send the first `size` bytes of an open file."""
        kind = kind if kind.startswith("image/") else "application/octet-stream"
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self._end_headers(size)
        # Close the connection if the file was shortened during the copying: the answer is then
        # shorter than Content-Length in its header.
        self.close_connection |= not _copy(file, self.wfile, size)

    def _send(
        self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, *, policy: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self._end_headers(len(body), policy=policy)
        self.wfile.write(body)

    def _refuse(self, reason: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> None:
        self.close_connection = True
        self._send(f"{reason}\n".encode(), "text/plain; charset=utf-8", status)

    def _end_headers(self, length: int, *, policy: str = "") -> None:
        own = {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'"} if policy else {}
        for name, value in {**HEADERS, **own, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing. The base class would print every request to the terminal."""


def _copy(source: IO[bytes], target: BufferedIOBase, length: int) -> bool:
    """Copy at most `length` bytes. Return whether `source` had at least `length` bytes."""
    while length > 0 and (data := source.read(min(COPY_BYTES, length))):
        target.write(data)
        length -= len(data)
    return not length
