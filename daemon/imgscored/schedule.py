"""The timed jobs: rescan, polling, backups and pruning. Each job only posts to the mailbox."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from imgscore import paths
from imgscore.config import DaemonConfig
from imgscore.store import backup_folders
from imgscored.light_imports import without_asyncio
from imgscored.mailbox import Mailbox

with without_asyncio():
    from apscheduler.schedulers.background import BackgroundScheduler

DAY = 86_400
# Seconds between the start of the daemon and an overdue backup, so that the first scan runs before
# the backup. The first pruning waits twice this time.
AFTER_START = 300


def next_backup(now: datetime, seconds: float) -> datetime:
    """Return the time of the next backup: `seconds` after the newest backup.

    If the backup is overdue, return a time soon after `now`. The wait is AFTER_START or `seconds`,
    whichever is smaller.
    """
    soon = now + timedelta(seconds=min(AFTER_START, seconds))
    kept = backup_folders.kept(paths.backups_folder(), now)
    newest = backup_folders.moment(kept[-1]) if kept else None
    # If the date of the newest backup is in the future, the clock was set back.
    if newest is None or newest > now:
        return soon
    return max(soon, newest + timedelta(seconds=seconds))


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """A scheduler that corrects the times of its jobs after the clock was set back.

    APScheduler uses wall-clock times. Without the correction, all jobs would be late.
    """

    def _process_jobs(self) -> float | None:
        now = datetime.now(UTC)
        for job in self.get_jobs():
            if job.next_run_time - now > job.trigger.interval:
                job.modify(next_run_time=now)
        wait: float | None = super()._process_jobs()
        return wait


class Schedule:
    """The schedule of the timed jobs. It runs from its construction until close().

    The thread of the scheduler sleeps between the jobs.
    """

    def __init__(self, mailbox: Mailbox, config: DaemonConfig) -> None:
        self._mailbox = mailbox
        self._config = config
        # Without these settings, APScheduler drops a job that is more than one second late, for
        # example after the machine was suspended.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler = _Scheduler(job_defaults=defaults, timezone="UTC")
        add = self._scheduler.add_job
        add(mailbox.hint_all, "interval", seconds=config.rescan, id="rescan")
        add(mailbox.job, "interval", args=["readers"], seconds=DAY, id="readers")
        first = datetime.now(UTC) + timedelta(seconds=2 * AFTER_START)
        add(mailbox.job, "interval", args=["prune"], seconds=DAY, id="prune", next_run_time=first)
        if config.backup:
            first = next_backup(datetime.now(UTC), config.backup)
            about = {"args": ["backup"], "id": "backup", "next_run_time": first}
            add(mailbox.job, "interval", seconds=config.backup, **about)
        self._checks_roots = False
        self.check_roots(True)
        self._scheduler.start()

    def check_roots(self, needed: bool) -> None:
        """Check every `poll` seconds whether the watched folders can be watched and read now.

        `needed`: false if the kernel reports all changes that matter. Then there is no such job.
        """
        if needed and not self._checks_roots:
            job, seconds = self._mailbox.job, self._config.poll
            self._scheduler.add_job(job, "interval", args=["roots"], seconds=seconds, id="roots")
        elif self._checks_roots and not needed:
            self._scheduler.remove_job("roots")
        self._checks_roots = needed

    def poll(self, roots: Iterable[bytes]) -> None:
        """Scan these folders every `poll` seconds, because the kernel sends no events for them."""
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
        """Return whether the scheduler's thread runs."""
        return any(thread.name == "APScheduler" for thread in threading.enumerate())

    def close(self) -> None:
        """End the scheduler's thread."""
        self._scheduler.shutdown(wait=True)
