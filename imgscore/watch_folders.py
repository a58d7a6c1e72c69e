"""Refuses folders that a watch must not use, such as folders of the system or of imgscore itself.

Most checks know only the paths. `check` also refuses a file, and `same_folder` reads the disk,
because a bind mount gives one folder two paths.
"""

import os
from collections.abc import Iterable

from imgscore import paths
from imgscore.errors import ConfigError

SYSTEM = (
    b"/bin", b"/boot", b"/dev", b"/etc", b"/lib", b"/lib32", b"/lib64", b"/proc", b"/sbin", b"/sys",
    b"/usr",
)  # fmt: skip
"""The folders of the system. A watch may use neither them nor their subfolders."""
SHARED = (b"/home", b"/run", b"/tmp", b"/var")
"""Folders that many programs share. A watch may use only their subfolders."""
MEMORY = b"/dev/shm"
"""A file system in memory, in which programs and users may keep any files."""


def within(path: bytes, folder: bytes) -> bool:
    """Return whether `path` is `folder` itself or is inside `folder`."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def check(folder: bytes, setting: str) -> None:
    """Check that a watch may use a folder.

    `folder`: the absolute path without symbolic links. `setting`: the setting of the config, for
    the message. Raises ConfigError.
    """
    remedy = "choose a folder in your home, for example ~/Pictures/inbox"
    if within(_real(os.path.expanduser("~")), folder):
        raise ConfigError(
            f"{setting} would include your whole home, where programs keep their images", remedy
        )
    if folder in SHARED or any(
        within(folder, system) for system in SYSTEM if not within(folder, MEMORY)
    ):
        raise ConfigError(f"{setting} is a folder of the system", remedy)
    config = paths.config_file().parent
    for own in (paths.data_folder(), paths.cache_folder(), config, paths.runtime_folder()):
        real = _real(own)
        if within(folder, real):
            raise ConfigError(f"{setting} is in a folder of imgscore itself: {own}", remedy)
        if within(real, folder):
            raise ConfigError(f"{setting} would include a folder of imgscore itself: {own}", remedy)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"{setting} is a file, not a folder", remedy)


def same_folder(folders: Iterable[bytes]) -> tuple[bytes, bytes] | None:
    """Return two of these paths that name the same folder, for example because of a bind mount.

    Return None if there are none. Folders that do not exist are left out.
    """
    known: dict[tuple[int, int], bytes] = {}
    for folder in folders:
        try:
            status = os.stat(folder)
        except OSError:
            continue
        other = known.setdefault((status.st_dev, status.st_ino), folder)
        if other != folder:
            return other, folder
    return None


def _real(path: str | os.PathLike[str]) -> bytes:
    return os.fsencode(os.path.realpath(path))
