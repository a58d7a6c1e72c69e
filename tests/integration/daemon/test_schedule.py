"""The clock: what is due is posted, also after it was set back."""

import select
from contextlib import closing
from datetime import UTC, datetime, timedelta

from imgscored.mailbox import Mailbox
from imgscored.schedule import Schedule

from imgscore.config import DaemonConfig


def test_schedule_clock_set_back_does_not_delay_jobs() -> None:
    config = DaemonConfig()
    with closing(Mailbox()) as mailbox, closing(Schedule(mailbox, config)) as schedule:
        assert not select.select([mailbox.descriptor], [], [], 0)[0]
        # As it stands two hours after 14:00, when it is 12:00 again.
        later = datetime.now(UTC) + timedelta(hours=2, seconds=config.poll)
        schedule._scheduler.modify_job("roots", next_run_time=later)
        assert select.select([mailbox.descriptor], [], [], 60)[0]
        assert mailbox.take().jobs == {"roots"}
        (again,) = [job for job in schedule._scheduler.get_jobs() if job.id == "roots"]
        assert again.next_run_time < later


def test_schedule_checks_roots_only_while_needed() -> None:
    with closing(Mailbox()) as mailbox, closing(Schedule(mailbox, DaemonConfig())) as schedule:
        for needed in (True, False, False, True, True):
            schedule.check_roots(needed)
            jobs = [job.id for job in schedule._scheduler.get_jobs()]
            assert jobs.count("roots") == int(needed)
