"""The exceptions of imgscore. Each message describes the problem, and names the affected file.

The library raises these exceptions. Only the CLI and the outermost functions of the daemon print
them.
"""


class ImgscoreError(Exception):
    """The base class of all errors of imgscore.

    `remedy` is a text about what the user can do. A command that fails with this error exits with
    `exit_code`.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(ImgscoreError):
    """The command line or the request is wrong, for example an unknown verb or a missing file."""

    exit_code = 2


class ConfigError(ImgscoreError):
    """The config file is missing, or a setting in it is wrong."""

    exit_code = 3


class NoDaemonError(ImgscoreError):
    """A running daemon is needed, but no daemon answers."""

    exit_code = 4


class NoDesktopError(ImgscoreError):
    """The desktop has no display, or it has no tray for an icon."""

    exit_code = 4


class StoreError(ImgscoreError):
    """The store cannot be opened, read or written."""

    exit_code = 5


class ModelError(ImgscoreError):
    """The embedder cannot be loaded. The images can be embedded later, with a working embedder."""


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
    """Return the name with which an error is sent to another process.

    The name is that of the class of the error, or of its nearest base class in _KINDS.
    """
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS)


def of_kind(kind: str, message: str, remedy: str) -> ImgscoreError:
    """Return the error that another process sent.

    Return an ImgscoreError if this program has no class for `kind`.
    """
    return _KINDS.get(kind, ImgscoreError)(message, remedy)
