"""The exceptions of imgscore. The message of an exception describes the problem and names the file.

The library raises these exceptions and does not print them. Only the CLI and the outermost
functions of the daemon print them.
"""


class ImgscoreError(Exception):
    """The base class of all errors of imgscore.

    `remedy`: what the user can do, as text; may be empty. `exit_code`: the exit code of a command
    that fails with this error.
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


class CorruptStoreError(StoreError):
    """The database file is damaged. A further write could lose data, so the daemon ends."""


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


def reason_of(error: BaseException) -> str:
    """Return the text of an error for a message that names the file itself."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) if isinstance(error, ValueError) else repr(error)


def kind_of(error: ImgscoreError) -> str:
    """Return the name of a class, for sending the error to another process.

    The class is that of the error, or its nearest base class that is in _KINDS.
    """
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS)


def of_kind(kind: str, message: str, remedy: str) -> ImgscoreError:
    """Create the error that another process has sent. `kind`: the name of the class of the error.

    If this program has no class with this name, return an ImgscoreError.
    """
    return _KINDS.get(kind, ImgscoreError)(message, remedy)
