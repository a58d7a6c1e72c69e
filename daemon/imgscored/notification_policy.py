"""Decides which notifications to send, and when. Pure: no bus, no clock.

A subject is notified when it appears, and then not again for an hour. Failed files are notified
together, after all files were indexed. Files that had failed before the start are not repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from imgscore import events
from imgscore.events import Event
from imgscore.verbs.status import Failure

Level = Literal["off", "important", "all"]

# A problem that comes and goes must not fill the screen: seconds between two notices of a subject.
REPEAT_SECONDS = 3600.0


class Notice(NamedTuple):
    """One notification. It replaces an older one of the same `subject`."""

    subject: str
    title: str
    body: str
    urgent: bool = False


class Moment(NamedTuple):
    """The state of the daemon at one time."""

    problems: Mapping[str, str]
    """problems of the machine or the config, by subject"""
    missing: Sequence[str] = ()
    """inboxes that do not exist now"""
    failed: Sequence[Failure] = ()
    """files that failed"""
    events: Sequence[Event] = ()
    """events since the last moment"""
    files: int = 0
    """number of images in the inboxes"""
    idle: bool = True


@dataclass
class NotificationPolicy:
    """Receives one moment after another. Times are seconds of one monotonic clock."""

    level: Level
    _current: set[str] = field(default_factory=set)
    """subjects of the present problems"""
    _not_before: dict[str, float] = field(default_factory=dict)
    """subject → earliest time of its next notice"""
    _failed: set[str] | None = None
    """failed paths that were notified; None before the first moment"""
    _labels: int | None = None
    """number of labels of a new head that was not notified yet; None without one"""
    _dates: int = 0
    """number of dates changed since that head"""

    def due(self, moment: Moment, now: float) -> list[Notice]:
        """The notices to send now."""
        if self.level == "off":
            return []
        problems = [_problem(subject, text) for subject, text in moment.problems.items()]
        problems += [_missing(inbox) for inbox in moment.missing]
        notices = [notice for notice in problems if notice.subject not in self._current]
        self._current = {notice.subject for notice in problems}
        notices += self._failures(moment, now)
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
            return [Notice("failed", title, "why, and what to do: imgscore status")]
        body = f"{new[0].path}: {new[0].reason}"
        return [Notice("failed", "An image cannot be used", body)]

    def _learned(self, moment: Moment) -> list[Notice]:
        for event in moment.events:
            if isinstance(event, events.Trained) and event.used:
                self._labels = event.labels
                self._dates = 0
            elif isinstance(event, events.Ordered):
                self._dates += event.files
        if self._labels is None or not moment.idle:
            return []
        labels, self._labels = self._labels, None
        if self.level != "all":
            return []
        moved = f"{self._dates} of {moment.files} images have a new place"
        return [Notice("learned", "imgscore has learned", f"from {labels} labels: {moved}")]


def _problem(subject: str, text: str) -> Notice:
    title = "imgscore waits: the disk is nearly full" if subject == "disk" else "imgscore is stuck"
    return Notice(subject, title, text, urgent=True)


def _missing(inbox: str) -> Notice:
    body = f"{inbox}: no label and no date is lost, and it goes on when the folder is back"
    return Notice(f"missing {inbox}", "A folder of imgscore is not there", body)
