"""The exceptions of imgscore. Each one says what happened, to which file, and what to do.

The library raises them. Only the CLI and the outermost functions of the daemon print them.
"""


class ImgscoreError(Exception):
    """Something failed. `remedy` says what the user can do; `exit_code` is that of the command."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(ImgscoreError):
    """The command line or the request is wrong: a verb, an option, or a file that is missing."""

    exit_code = 2


class ConfigError(ImgscoreError):
    """The config file is missing, or a setting in it is wrong."""

    exit_code = 3


class NoDaemonError(ImgscoreError):
    """A running daemon is needed, and none answers."""

    exit_code = 4


class NoDesktopError(ImgscoreError):
    """There is no display, or no tray for an icon."""

    exit_code = 4


class StoreError(ImgscoreError):
    """The store cannot be opened, read or written."""

    exit_code = 5


class ModelError(ImgscoreError):
    """The embedder cannot be loaded. No image is at fault: try again when the model is there."""


class ImageError(ImgscoreError):
    """One file cannot be embedded: it is broken, too large, unreadable, or not an image."""


_KINDS = {
    kind.__name__: kind
    for kind in (
        ImgscoreError,
        UsageError,
        ConfigError,
        NoDaemonError,
        NoDesktopError,
        StoreError,
        ModelError,
        ImageError,
    )
}


def kind_of(error: ImgscoreError) -> str:
    """The name under which an error is sent to another process: its class or the nearest base."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS)


def of_kind(kind: str, message: str, remedy: str) -> ImgscoreError:
    """The error that another process sent; ImgscoreError if this program lacks its kind."""
    return _KINDS.get(kind, ImgscoreError)(message, remedy)
