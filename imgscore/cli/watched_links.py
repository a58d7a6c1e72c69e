"""Enters a folder of links into the config, or takes it out, and lets the daemon use the change."""

import os
from pathlib import Path

import msgspec

from imgscore import config, config_edit, dispatch, paths
from imgscore.cli import lifecycle
from imgscore.cli.output import print_note
from imgscore.config import Config, LinksConfig
from imgscore.config_edit import Value
from imgscore.errors import ConfigError
from imgscore.links.settings import folders_of
from imgscore.system import landlock, systemd
from imgscore.watches import Watches


def find(settings: Config, folder: bytes) -> tuple[int, LinksConfig] | None:
    """Return the index and the table of a folder of links in the config, or None.

    `folder`: the absolute path without symbolic links.
    """
    for number, links in enumerate(settings.links):
        if config.expand(links.folder) == folder:
            return number, links
    return None


def enter(links: LinksConfig, *, was_made: bool) -> None:
    """Write a table of the config, and let the daemon use it. An older table is replaced.

    `was_made`: whether the folder was just made. A daemon that runs already may not write in it.
    Raises ConfigError if there is no config.
    """
    path = paths.config_file()
    text = config.read(path)
    if text is None:
        raise ConfigError(f"{path}: there is no config yet", "create it: imgscore init INBOX")
    settings = config.parse(text, str(path))
    found = find(settings, config.expand(links.folder))
    if found is not None and found[1] == links and not was_made:
        return
    changed = config_edit.without_links(text, found[0]) if found is not None else text
    changed = config_edit.with_links(changed, _changed_settings(links))
    parsed = config.parse(changed, str(path))
    folders_of(parsed, Watches.of(parsed))
    config_edit.write(path, changed)
    if (found is None or was_made) and landlock.kernel_support():
        _restart()
    else:
        dispatch.reload_daemon()


def take_out(folder: bytes) -> bool:
    """Take a folder of links out of the config, and return whether it was in the config."""
    path = paths.config_file()
    text = config.read(path)
    if text is None:
        return False
    found = find(config.parse(text, str(path)), folder)
    if found is None:
        return False
    config_edit.write(path, config_edit.without_links(text, found[0]))
    dispatch.reload_daemon()
    return True


def _changed_settings(links: LinksConfig) -> dict[str, Value]:
    """Return the settings of a table that differ from the defaults."""
    defaults = msgspec.to_builtins(LinksConfig(links.folder))
    values: dict[str, Value] = msgspec.to_builtins(links)
    return {
        key: value for key, value in values.items() if key == "folder" or value != defaults[key]
    }


def _restart() -> None:
    """Restart a running daemon, so that it may write in the folder.

    The kernel limits where the daemon can write (Landlock), and this limit cannot be widened while
    the daemon runs. A daemon that neither systemd nor `imgscore start` has started is not ended.
    """
    pid = lifecycle.daemon_pid()
    if pid is None:
        print_note("no daemon is running; the folder is kept up to date from: imgscore start")
        return
    if systemd.is_usable() and systemd.state().pid == pid:
        systemd.stop()
        lifecycle.start_service()
    elif _was_started_in_background(pid):
        lifecycle.end(pid)
        lifecycle.start_process()
    else:
        dispatch.reload_daemon()
        print_note("restart the daemon, so that it may write in the folder")
        return
    print_note("the daemon was restarted, so that it may write in the folder")


def _was_started_in_background(pid: int) -> bool:
    """Return whether `imgscore start` has started a daemon, which then logs into a file."""
    try:
        log = os.readlink(f"/proc/{pid}/fd/2")
    except OSError:
        return False
    return Path(log) == Path(os.path.realpath(paths.cache_folder())) / "imgscored.log"
