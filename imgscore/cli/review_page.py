"""Serves the page of the review to the browser, for the commands `review` and `compare`."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from imgscore import dispatch, fsutil, paths
from imgscore.cli import output
from imgscore.cli.output import print_note
from imgscore.messages import Message, Result
from imgscore.system import private
from imgscore.verbs import report
from imgscore.verbs.tastes import watched
from imgscore.watches import Watches

if TYPE_CHECKING:
    from imgscore.cli.review_server import ReviewServer
    from imgscore.cli.review_session import Session

Port = Annotated[
    int, typer.Option(min=0, max=65535, help="The port to serve on. 0: any free port.")
]
Open = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in your browser.")]


class Response(msgspec.Struct):
    """The page that is served."""

    url: str
    """the address of the page; the address works only once"""
    taste: str
    """the name of the taste"""
    images: int
    """the number of images on the page"""
    error: str | None = None
    """always null"""


def serve(request: report.Request, *, tab: str, port: int, show: bool, as_json: bool) -> None:
    """Serve the page until the user presses Ctrl-C, or until this process gets SIGTERM.

    `tab`: the tab that the page shows at first. `show`: whether to open the page in the browser.
    The page shows one taste. If the request names none, it is the first taste of the config.
    """
    others: list[str] = []
    if request.taste is None and request.folder is None:
        first, *others = watched(Watches.of(dispatch.settings_in_force()))
        request.taste = first if others else None
    servers: list[ReviewServer] = []
    sessions: list[Session] = []
    with contextlib.ExitStack() as stack:

        def begin() -> "ReviewServer":
            """Start the server, print its address and open the browser."""
            server = stack.enter_context(_server(port))
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            if not as_json:
                _print_address(server, request.taste, others)
            if show:
                stack.enter_context(_shown(server))
            servers.append(server)
            return server

        try:
            messages = _start(request, begin, sessions, tab)
            output.print_messages(messages, lambda _: None, as_json=as_json)
            servers[0].serve(sessions[0])
        except KeyboardInterrupt:
            if not servers:
                raise
    for session in sessions:
        session.end()


def _server(port: int) -> "ReviewServer":
    from imgscore.cli.review_server import ReviewServer
    from imgscore.errors import UsageError

    try:
        return ReviewServer(port)
    except OSError as error:
        raise UsageError(
            f"port {port}: {error.strerror}", "use another port, or omit --port"
        ) from None


def _print_address(server: "ReviewServer", taste: str | None, others: list[str]) -> None:
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    print_note("each label is stored at once; to move the files later: imgscore apply")
    print_note("the address works once, in one browser; Ctrl-C ends the review")
    if others:
        print_note(f"the page shows the taste {taste}; for others: --taste {', '.join(others)}")


@contextlib.contextmanager
def _shown(server: "ReviewServer") -> Iterator[None]:
    """Open the review in the browser. The file with the token exists until the end of the block."""
    folder = paths.runtime_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / f"review-{os.getpid()}.html"
    fsutil.write_atomic(file, server.opener().encode(), mode=0o600, durable=False)
    # A browser in the terminal runs in the new process; another browser starts on its own. The
    # user's umask applies to the browser, but must not apply to the files of this process.
    code = "import sys, webbrowser; webbrowser.open(sys.argv[1])"
    command = [sys.executable, "-P", "-c", code, file.as_uri()]
    browser = subprocess.Popen(command, umask=private.umask_of_user())
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        browser.poll()


def _start(
    request: report.Request,
    begin: Callable[[], "ReviewServer"],
    sessions: "list[Session]",
    tab: str,
) -> Iterator[Message[Response]]:
    """Collect the data of the page, and append the session with the data to `sessions`.

    Yield the progress of the collection, and at the end a Response. `begin` is called as soon as
    the request is known to be valid. The browser can connect from then on, and waits for its
    answer until the data are collected.
    """
    from imgscore.cli.review_session import Session

    gathered = server = None
    for message in dispatch.call(request):
        server = server or begin()
        if isinstance(message, Result):
            gathered = message.row
        else:
            yield message
    if gathered is None or server is None:
        return
    # Without a daemon, the call has the store open until here. The session reads it, too.
    sessions.append(Session(request, gathered, tab))
    yield Result(Response(server.url, gathered.taste, gathered.images))
