"""The rules that decide which notifications to send, and when. They use no bus and no clock.

Each notification has a subject, such as a full disk or a missing inbox. A notification is sent when
a problem with its subject appears. The next notification about the same subject is sent at least an
hour later. All failed files are reported in one notification, after all files were indexed. Files
that had failed before the daemon started are not reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from imgscore import events
from imgscore.engine.log_text import counted
from imgscore.events import Event
from imgscore.verbs.status import Failure

Level = Literal["off", "important", "all"]

# The smallest number of seconds between two notifications about a subject. Without this limit, a
# problem that often appears and disappears would fill the screen.
REPEAT_SECONDS = 3600.0


class Notice(NamedTuple):
    """A notification. It replaces an older notification about the same `subject`."""

    subject: str
    title: str
    body: str
    urgent: bool = False


class Moment(NamedTuple):
    """The state of the daemon at one time."""

    problems: Mapping[str, str]
    """the problems of the machine or the config, by subject"""
    missing: Sequence[str] = ()
    """the inboxes that do not exist now"""
    failed: Sequence[Failure] = ()
    """the files that failed"""
    events: Sequence[Event] = ()
    """the events after the previous moment"""
    files: int = 0
    """the number of images in the inboxes"""
    groups: int = 0
    """the number of groups of similar images"""
    idle: bool = True


@dataclass
class NotificationPolicy:
    """The rules for notifications, and the state that they need from earlier moments.

    All times are in seconds of one monotonic clock.
    """

    level: Level
    _current: set[str] = field(default_factory=set)
    """the subjects of the present problems"""
    _not_before: dict[str, float] = field(default_factory=dict)
    """a map from each subject to the earliest time of its next notification"""
    _failed: set[str] | None = None
    """the paths of failed files that were already reported. None before the first moment."""
    _labels: int | None = None
    """the number of labels from which the newest head was trained. None if no head was trained, or
    if the newest head was already reported."""
    _dates: int = 0
    """the number of dates that were changed after the newest head was trained"""
    _groups: int | None = None
    """the number of groups at the last notification about a new order, or at the first moment"""

    def due(self, moment: Moment, now: float) -> list[Notice]:
        """Return the notifications to send now."""
        if self.level == "off":
            return []
        problems = [_problem(subject, text) for subject, text in moment.problems.items()]
        problems += [_missing(inbox) for inbox in moment.missing]
        notices = [notice for notice in problems if notice.subject not in self._current]
        self._current = {notice.subject for notice in problems}
        notices += self._failures(moment, now)
        notices += [
            _mass_change(event) for event in moment.events if isinstance(event, events.MassChange)
        ]
        notices += self._learned(moment)
        notices = [notice for notice in notices if self._may(notice.subject, now)]
        self._not_before |= {notice.subject: now + REPEAT_SECONDS for notice in notices}
        return notices

    def _may(self, subject: str, now: float) -> bool:
        return now >= self._not_before.get(subject, now)

    def _failures(self, moment: Moment, now: float) -> list[Notice]:
        failures = {failure.path: failure for failure in moment.failed}
        known = set(failures) if self._failed is None else self._failed & set(failures)
        new = [failure for path, failure in failures.items() if path not in known]
        self._failed = known
        if not new or not moment.idle or not self._may("failed", now):
            return []
        self._failed |= set(failures)
        if len(new) > 1:
            title = f"{len(new)} images cannot be used"
            return [Notice("failed", title, "to see the reasons and what to do: imgscore status")]
        body = f"{new[0].path}: {new[0].reason}"
        return [Notice("failed", "An image cannot be used", body)]

    def _learned(self, moment: Moment) -> list[Notice]:
        for event in moment.events:
            if isinstance(event, events.Trained) and event.used:
                self._labels = event.labels
                self._dates = 0
            elif isinstance(event, events.Ordered):
                self._dates += event.files
        if self._groups is None:
            self._groups = moment.groups
        if self._labels is None or not moment.idle:
            return []
        labels, self._labels = self._labels, None
        found, self._groups = moment.groups - self._groups, moment.groups
        if self.level != "all":
            return []
        # An image may have moved twice since the training.
        moved = min(self._dates, moment.files)
        place = (
            f"{moved:,} of {counted(moment.files, 'image')} moved" if moved else "no image moved"
        )
        groups = f"; {counted(found, 'new group')} of similar images" if found > 0 else ""
        title = "New order" if moved else "imgscore has learned"
        return [Notice("learned", title, f"from {counted(labels, 'label')}: {place}{groups}")]


def _problem(subject: str, text: str) -> Notice:
    title = (
        "imgscore waits: the disk is nearly full" if subject == "disk" else "imgscore has a problem"
    )
    return Notice(subject, title, text, urgent=True)


def _mass_change(event: events.MassChange) -> Notice:
    count = event.cleared + event.flipped
    title = f"{count:,} labels were cleared or changed"
    # The time makes the subject unique: each mass change is reported, even within an hour.
    return Notice(f"labels {event.time_ns}", title, f"because files were moved; {event.remedy}")


def _missing(inbox: str) -> Notice:
    body = f"{inbox}: no label and no date is lost. imgscore continues when the folder is back"
    return Notice(f"missing {inbox}", "A watched folder is missing", body)
