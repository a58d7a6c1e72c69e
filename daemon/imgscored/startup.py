"""The report that the daemon has started, or that it could not start.

The report is sent to the process that started the daemon, such as `imgscore start`. It is one line
of the control protocol, either {"done": true} or an error. It is sent on an inherited pipe.
"""

import contextlib
import os

from imgscore import protocol
from imgscore.errors import ImgscoreError


class StartupReport:
    """The write end of the pipe to the process that started the daemon.

    Only the first report is sent. If there is no pipe, no report is sent.
    The constructor raises OSError if the descriptor is not open.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            # If the workers inherited this descriptor, the pipe would stay open.
            os.set_inheritable(descriptor, False)

    def ready(self) -> None:
        """Report that the daemon now answers on its socket."""
        self._send(protocol.encode({"done": True}))

    def failed(self, error: ImgscoreError) -> None:
        """Report that the daemon could not start."""
        self._send(protocol.encode(protocol.error_line(error)))

    def _send(self, line: bytes) -> None:
        if self._descriptor is None:
            return
        # The process that should read the report may have ended.
        with contextlib.suppress(OSError):
            os.write(self._descriptor, line)
        os.close(self._descriptor)
        self._descriptor = None
