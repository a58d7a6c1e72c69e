"""What can go wrong, said so that a person can act on it: what happened, to which file, what to do.

The library raises these; only the CLI and the daemon's rim print them.
"""


class ImgscoreError(Exception):
    """Something failed. `remedy` says what the user can do about it; `exit_code` is the CLI's."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(ImgscoreError):
    """The call itself is off: a verb, an option, a file that is not there."""

    exit_code = 2


class ConfigError(ImgscoreError):
    """config.toml names something that is wrong."""

    exit_code = 3


class NoDaemonError(ImgscoreError):
    """A daemon is needed, and none answers."""

    exit_code = 4


class NoDesktopError(ImgscoreError):
    """There is no display, or no tray on it, to show an icon in."""

    exit_code = 4


class StoreError(ImgscoreError):
    """The store cannot be opened, read or written."""

    exit_code = 5


class ModelError(ImgscoreError):
    """The embedder cannot be loaded: no file's fault, and worth another try once it is mended."""


class ImageError(ImgscoreError):
    """One file cannot be embedded: broken, too large, unreadable, not an image."""


def error_of(exit_code: int) -> type[ImgscoreError]:
    """The kind of error that an exit code stands for, where one comes from another process."""
    kinds = (UsageError, ConfigError, NoDaemonError, StoreError)
    return next((kind for kind in kinds if kind.exit_code == exit_code), ImgscoreError)
