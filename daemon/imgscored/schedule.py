"""What is due by the clock. Jobs only post to the mailbox; the loop does the work."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from imgscore import paths
from imgscore.config import DaemonConfig
from imgscore.store import backups
from imgscored.mailbox import Mailbox

DAY = 86_400
# A backup that is overdue waits so long for what a start has to do; tidying up waits for both
# (seconds).
AFTER_START = 300


def next_backup(now: datetime, seconds: float) -> datetime:
    """When a backup is due: so long after the newest, and not while everything starts."""
    soon = now + timedelta(seconds=min(AFTER_START, seconds))
    found = backups.kept(paths.backups_folder(), now)
    newest = backups.moment(found[-1]) if found else None
    if newest is None or newest > now:  # the clock was set back
        return soon
    return max(soon, newest + timedelta(seconds=seconds))


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """Its jobs stand on the clock: one that was set back would put them off for as long."""

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
        # Without these, APScheduler drops a job that is a second late, as after a suspend.
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
        # inotify says nothing when a watched root itself is moved, unmounted or made anew.
        add(mailbox.job, "interval", args=["roots"], seconds=config.poll, id="roots")
        self._scheduler.start()

    def poll(self, roots: Iterable[bytes]) -> None:
        """Scan these folders every `poll` seconds; they get no events."""
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

    def lives(self) -> bool:
        """Whether its thread runs."""
        return any(thread.name == "APScheduler" for thread in threading.enumerate())

    def close(self) -> None:
        """End the thread."""
        self._scheduler.shutdown(wait=True)
