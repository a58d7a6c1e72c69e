"""Reports how the start ended to the process that started the daemon, such as `imgscore start`.

The report is one line of the control protocol, {"done": true} or an error, on an inherited pipe.
"""

import contextlib
import os

from imgscore import protocol
from imgscore.errors import ImgscoreError


class StartupReport:
    """The write end of the pipe. Sends one report; without a descriptor, or later, sends nothing.

    Raises OSError if the descriptor is not open.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            os.set_inheritable(descriptor, False)  # a worker would keep the pipe open

    def ready(self) -> None:
        """The daemon answers on its socket."""
        self._send(protocol.encode({"done": True}))

    def failed(self, error: ImgscoreError) -> None:
        """The daemon could not start."""
        self._send(protocol.encode(protocol.error_line(error)))

    def _send(self, line: bytes) -> None:
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):  # the reader has given up waiting
            os.write(self._descriptor, line)
        os.close(self._descriptor)
        self._descriptor = None
