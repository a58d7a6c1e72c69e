"""Timed jobs: rescan, polling, backups, pruning. A job only posts to the mailbox."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from imgscore import paths
from imgscore.config import DaemonConfig
from imgscore.store import backups
from imgscored.mailbox import Mailbox

DAY = 86_400
# Seconds after the start: the first scan comes before an overdue backup. Pruning waits twice that.
AFTER_START = 300


def next_backup(now: datetime, seconds: float) -> datetime:
    """The time of the next backup: `seconds` after the newest one, but not during the start."""
    soon = now + timedelta(seconds=min(AFTER_START, seconds))
    kept = backups.kept(paths.backups_folder(), now)
    newest = backups.moment(kept[-1]) if kept else None
    if newest is None or newest > now:  # the clock was set back
        return soon
    return max(soon, newest + timedelta(seconds=seconds))


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """APScheduler uses wall-clock times: re-arms the jobs when the clock is set back."""

    def _process_jobs(self) -> float | None:
        now = datetime.now(UTC)
        for job in self.get_jobs():
            if job.next_run_time - now > job.trigger.interval:
                job.modify(next_run_time=now)
        wait: float | None = super()._process_jobs()
        return wait


class Schedule:
    """Runs from construction to close(). Its thread sleeps until the next job."""

    def __init__(self, mailbox: Mailbox, config: DaemonConfig) -> None:
        self._mailbox = mailbox
        self._config = config
        # Without these, APScheduler drops a job that is a second late, for example after a suspend.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler = _Scheduler(job_defaults=defaults, timezone="UTC")
        add = self._scheduler.add_job
        add(mailbox.hint_all, "interval", seconds=config.rescan, id="rescan")
        add(mailbox.job, "interval", args=["readers"], seconds=DAY, id="readers")
        first = datetime.now(UTC) + timedelta(seconds=2 * AFTER_START)
        add(mailbox.job, "interval", args=["tidy"], seconds=DAY, id="tidy", next_run_time=first)
        if config.backup:
            first = next_backup(datetime.now(UTC), config.backup)
            about = {"args": ["backup"], "id": "backup", "next_run_time": first}
            add(mailbox.job, "interval", seconds=config.backup, **about)
        # inotify sends no event when a watched root is moved, unmounted or created again.
        add(mailbox.job, "interval", args=["roots"], seconds=config.poll, id="roots")
        self._scheduler.start()

    def poll(self, roots: Iterable[bytes]) -> None:
        """Scan these folders, which get no events, every `poll` seconds."""
        for job in self._scheduler.get_jobs():
            if job.id.startswith("poll:"):
                job.remove()
        for root in roots:
            self._scheduler.add_job(
                self._mailbox.hint_tree,
                "interval",
                args=[root],
                seconds=self._config.poll,
                id=f"poll:{root.hex()}",
            )

    def is_alive(self) -> bool:
        """Whether the scheduler's thread runs."""
        return any(thread.name == "APScheduler" for thread in threading.enumerate())

    def close(self) -> None:
        """End the thread."""
        self._scheduler.shutdown(wait=True)
