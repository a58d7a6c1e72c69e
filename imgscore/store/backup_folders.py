"""The folders of the automatic backups. This module finds them and does not change them.

The name of an automatic backup is the time of the backup (UTC).
"""

from datetime import UTC, datetime
from pathlib import Path

from imgscore import paths
from imgscore.errors import StoreError
from imgscore.store import pages

_FORM = "%Y-%m-%dT%H-%M-%SZ"


def name(now: datetime) -> str:
    """Return the folder name of a backup that is made at `now`."""
    return now.astimezone(UTC).strftime(_FORM)


def moment(folder: Path) -> datetime:
    """Return the time at which a backup was made.

    The time is computed from the name of the backup's folder.
    """
    return datetime.strptime(folder.name, _FORM).replace(tzinfo=UTC)


def kept(folder: Path, now: datetime) -> list[Path]:
    """Return the folders of the complete backups in `folder`, oldest first.

    If the name of a backup is a time after `now`, the clock was set back after that backup. The age
    of that backup is unknown, so it is the first in the list.
    """
    try:
        backups = [path for path in folder.iterdir() if _is_moment(path.name)]
    except OSError:
        return []
    complete = [backup for backup in backups if (backup / "data.mdb").is_file()]
    return sorted(complete, key=lambda backup: (moment(backup) <= now, moment(backup)))


def _is_moment(text: str) -> bool:
    try:
        datetime.strptime(text, _FORM)
    except ValueError:
        return False
    return True


def newest_sound() -> Path | None:
    """Return the newest automatic backup whose pages are undamaged, or None if there is none."""
    for backup in reversed(kept(paths.backups_folder(), datetime.now(UTC))):
        try:
            pages.check(backup / "data.mdb")
        except StoreError:
            continue
        return backup
    return None


def remedy() -> str:
    """Return the remedy for a damaged store: the command that restores a backup."""
    backup = newest_sound()
    if backup is None:
        return (
            f"there is no undamaged automatic backup in {paths.backups_folder()}; restore a backup "
            "of your own: imgscore db restore DIR"
        )
    return (
        f"restore the newest undamaged backup, of {moment(backup):%Y-%m-%d %H:%M} UTC: "
        f"imgscore db restore {backup}"
    )
