"""The paths of imgscore's own files, from the XDG variables: config, store, caches and socket.

Each call reads the environment, so that a test or a service can change all of them.
"""

import os
from pathlib import Path


def _base(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    # The XDG specification says that relative paths are ignored.
    return (Path(value) if value.startswith("/") else Path.home() / default) / "imgscore"


def config_file() -> Path:
    """`$XDG_CONFIG_HOME/imgscore/config.toml`."""
    return _base("XDG_CONFIG_HOME", ".config") / "config.toml"


def data_folder() -> Path:
    """`$XDG_DATA_HOME/imgscore`: the store and the heads; nothing in it can be recomputed."""
    return _base("XDG_DATA_HOME", ".local/share")


def store_folder() -> Path:
    """The LMDB environment."""
    return data_folder() / "store"


def heads_folder() -> Path:
    """Trained heads, in a folder for each taste."""
    return data_folder() / "heads"


def backups_folder() -> Path:
    """The automatic backups, each in a folder."""
    return data_folder() / "backups"


def head_file(heads: Path, taste: str, version: str) -> Path:
    """The file of a head in the folder `heads`."""
    return heads / taste / f"{version}.safetensors"


def trash_folder() -> Path:
    """`$XDG_DATA_HOME/Trash`: the desktop's home trash, which imgscore only reads."""
    return data_folder().parent / "Trash"


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/imgscore`: may be deleted at any time."""
    return _base("XDG_CACHE_HOME", ".cache")


def report_folder() -> Path:
    """Pages of `report`, their data and their thumbnails."""
    return cache_folder() / "report"


def thumbnail(digest: bytes) -> bytes:
    """The name of a digest's thumbnail."""
    return digest.hex().encode() + b".webp"


def runtime_folder() -> Path:
    """`$XDG_RUNTIME_DIR/imgscore`, or `run` in the data folder if there is no runtime folder."""
    if os.environ.get("XDG_RUNTIME_DIR", "").startswith("/"):
        return Path(os.environ["XDG_RUNTIME_DIR"]) / "imgscore"
    by_user = Path(f"/run/user/{os.getuid()}")
    return by_user / "imgscore" if os.access(by_user, os.W_OK) else data_folder() / "run"


def socket_path() -> Path:
    """The daemon's control socket."""
    return runtime_folder() / "control.sock"
