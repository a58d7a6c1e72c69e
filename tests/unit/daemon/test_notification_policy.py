"""Tests of the notices that follow from a sequence of moments, and of their frequency."""

import msgspec
from imgscored.notification_policy import REPEAT_SECONDS, Moment, NotificationPolicy

from imgscore import events
from imgscore.verbs.status import Failure


def broken(*names: str) -> list[Failure]:
    return [Failure(f"/in/{name}", "is damaged", "") for name in names]


def subjects(notices: NotificationPolicy, moment: Moment, now: float = 0.0) -> list[str]:
    return [one.subject for one in notices.due(moment, now)]


def test_due_problem_is_notified_once_an_hour() -> None:
    notices = NotificationPolicy("important")
    disk = Moment({"disk": "less than 200 MB free"})
    (notice,) = notices.due(disk, 0)
    assert notice.urgent and "disk" in notice.title and notice.body == "less than 200 MB free"
    assert subjects(notices, disk, 1) == []
    for now in range(2, 100, 2):  # it comes and goes
        assert subjects(notices, Moment({}), now) == subjects(notices, disk, now + 1) == []
    assert subjects(notices, disk, REPEAT_SECONDS) == []  # it never went away since
    assert subjects(notices, Moment({}), REPEAT_SECONDS) == []
    assert subjects(notices, disk, REPEAT_SECONDS) == ["disk"]


def test_due_two_missing_folders_give_two_notices() -> None:
    notices = NotificationPolicy("important")
    assert subjects(notices, Moment({}, ["/one"])) == ["missing /one"]
    assert subjects(notices, Moment({}, ["/one", "/two"])) == ["missing /two"]
    assert subjects(notices, Moment({"model": "x"}, ["/two"])) == ["model"]


def test_due_failures_are_notified_together_when_idle() -> None:
    notices = NotificationPolicy("important")
    old = broken("old.jpg")
    assert notices.due(Moment({}, failed=old), 0) == []  # it was said when it failed
    some = [*old, *broken("a.jpg")]
    assert notices.due(Moment({}, failed=some, idle=False), 0) == []
    (notice,) = notices.due(Moment({}, failed=[*some, *broken("b.jpg")]), 0)
    assert notice.title == "2 images cannot be used"
    # What failed within the hour is said after it.
    more = [*some, *broken("b.jpg", "c.jpg")]
    assert notices.due(Moment({}, failed=more), 1) == []
    (notice,) = notices.due(Moment({}, failed=more), REPEAT_SECONDS)
    assert notice.body == "/in/c.jpg: is damaged"
    assert notices.due(Moment({}, failed=more), 3 * REPEAT_SECONDS) == []
    assert notices.due(Moment({}), 3 * REPEAT_SECONDS) == []
    assert subjects(notices, Moment({}, failed=old), 3 * REPEAT_SECONDS) == ["failed"]


def test_due_new_head_reports_changed_dates() -> None:
    trained = events.Trained(used=True, labels=34, taste="default", head="2")
    ordered = events.Ordered(inbox="/in", files=12)
    for level, said in (("all", 1), ("important", 0), ("off", 0)):
        notices = NotificationPolicy(level)  # type: ignore[arg-type]
        assert notices.due(Moment({}, events=[ordered]), 0) == []  # by an older head
        assert notices.due(Moment({}, events=[trained], idle=False), 0) == []
        found = notices.due(Moment({}, events=[ordered], files=300), 0)
        assert len(found) == said
        for one in found:
            assert one.body == "from 34 labels: 12 of 300 images moved"
        assert notices.due(Moment({}, events=[ordered]), 2 * REPEAT_SECONDS) == []
    unused = msgspec.structs.replace(trained, used=False)
    assert NotificationPolicy("all").due(Moment({}, events=[unused, ordered]), 0) == []


def test_due_new_head_reports_groups_that_were_found_since() -> None:
    trained = events.Trained(used=True, labels=34, taste="default", head="2")
    ordered = events.Ordered(inbox="/in", files=31)
    notices = NotificationPolicy("all")
    # Groups that the store contained at the start are not new, and groups alone are no reason.
    assert notices.due(Moment({}, files=2000, groups=5), 0) == []
    assert notices.due(Moment({}, files=2000, groups=9, events=[ordered]), 0) == []
    (one,) = notices.due(Moment({}, events=[trained, ordered], files=2000, groups=17), 0)
    assert one.title == "New order"
    assert one.body == "from 34 labels: 31 of 2,000 images moved; 12 new groups of similar images"
    later = Moment({}, events=[trained], files=2000, groups=16)
    (one,) = notices.due(later, REPEAT_SECONDS)
    assert (one.title, one.body) == ("imgscore has learned", "from 34 labels: no image moved")


def test_due_images_that_moved_twice_are_counted_once() -> None:
    trained = events.Trained(used=True, labels=1, taste="default", head="2")
    ordered = events.Ordered(inbox="/in", files=8)
    (one,) = NotificationPolicy("all").due(
        Moment({}, events=[trained, ordered, ordered], files=9), 0
    )
    assert one.body == "from 1 label: 9 of 9 images moved"


def test_due_level_off_sends_nothing() -> None:
    assert (
        NotificationPolicy("off").due(Moment({"disk": "full"}, ["/one"], broken("a.jpg")), 0) == []
    )


def test_due_mass_change_is_notified_each_time() -> None:
    notices = NotificationPolicy("important")
    for time_ns in (1, 2):
        event = events.MassChange(time_ns=time_ns, cleared=1300, flipped=33, remedy="undo it")
        (notice,) = notices.due(Moment({}, events=[event]), 0)
        assert notice.title.startswith("1,333 labels") and "undo it" in notice.body
