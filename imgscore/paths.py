"""The paths of imgscore's own files: config, store, caches and socket.

The paths depend on the XDG environment variables. Each call reads these variables again. A test or
a service can therefore change every path by setting a variable.
"""

import os
from pathlib import Path

from imgscore.errors import ConfigError


def _base(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    # The XDG specification says that programs must ignore a relative path in an XDG variable.
    return (Path(value) if value.startswith("/") else _home() / default) / "imgscore"


def _home() -> Path:
    """Return the home folder. Raises ConfigError if it is unknown."""
    try:
        return Path.home()
    except RuntimeError:
        raise ConfigError(
            f"the home folder of user {os.getuid()} is unknown, because the system has no entry "
            "for this user",
            "set the environment variable HOME to a folder of this user",
        ) from None


def config_file() -> Path:
    """Return the path of imgscore's config: `$XDG_CONFIG_HOME/imgscore/config.toml`."""
    return _base("XDG_CONFIG_HOME", ".config") / "config.toml"


def data_folder() -> Path:
    """Return `$XDG_DATA_HOME/imgscore`, the folder of the store and the heads.

    The data in this folder cannot be computed again.
    """
    return _base("XDG_DATA_HOME", ".local/share")


def store_folder() -> Path:
    """Return the folder of the store. The store is an LMDB environment."""
    return data_folder() / "store"


def heads_folder() -> Path:
    """Return the folder of the trained heads. Each taste has a subfolder."""
    return data_folder() / "heads"


def backups_folder() -> Path:
    """Return the folder of the automatic backups. Each backup has a subfolder."""
    return data_folder() / "backups"


def moves_folder() -> Path:
    """Return the folder of the logs of `imgscore apply`, which list the files that it moved."""
    return data_folder() / "moves"


def head_file(heads: Path, taste: str, version: str) -> Path:
    """Return the path of the file of a trained head. `heads` is the folder of all heads."""
    return heads / taste / f"{version}.safetensors"


def trash_folder() -> Path:
    """Return `$XDG_DATA_HOME/Trash`, the desktop's main trash. imgscore only reads this folder."""
    return data_folder().parent / "Trash"


def cache_folder() -> Path:
    """Return `$XDG_CACHE_HOME/imgscore`. The user may delete this folder at any time."""
    return _base("XDG_CACHE_HOME", ".cache")


def private_folders() -> list[Path]:
    """Return imgscore's own folders whose content is derived from pictures, outermost first."""
    data, cache = data_folder(), cache_folder()
    below = [store_folder(), heads_folder(), backups_folder(), report_folder(), temporary_folder()]
    return [data, cache, runtime_folder(), *below]


def temporary_folder() -> Path:
    """Return the folder that contains the temporary folder of each running worker."""
    return cache_folder() / "tmp"


def report_folder() -> Path:
    """Return the folder to which the verb `report` writes its pages, data and thumbnails."""
    return cache_folder() / "report"


def library_file() -> Path:
    """Return the path of the cached part of trainings that depends only on the library."""
    return cache_folder() / "library.safetensors"


def rows_file() -> Path:
    """Return the path of the cached part of scores that depends on no label."""
    return cache_folder() / "rows.bin"


def thumbnail(digest: bytes) -> bytes:
    """Return the file name of the thumbnail of the image that has this digest."""
    return digest.hex().encode() + b".webp"


def runtime_folder() -> Path:
    """Return the folder of the daemon's socket, `$XDG_RUNTIME_DIR/imgscore`.

    If XDG_RUNTIME_DIR is not set, return `/run/user/UID/imgscore`. If `/run/user/UID` is not
    writable, return `run` in the data folder.
    """
    if os.environ.get("XDG_RUNTIME_DIR", "").startswith("/"):
        return Path(os.environ["XDG_RUNTIME_DIR"]) / "imgscore"
    by_user = Path(f"/run/user/{os.getuid()}")
    return by_user / "imgscore" if os.access(by_user, os.W_OK) else data_folder() / "run"


def socket_path() -> Path:
    """Return the path of the daemon's control socket."""
    return runtime_folder() / "control.sock"
