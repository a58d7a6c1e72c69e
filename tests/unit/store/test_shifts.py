"""Shifts among changed dates: many files that another program moved alike."""

from imgscore.store import shifts
from imgscore.store.schema import ForeignDate

HOUR = 3_600 * 10**9
WISH = 1_000_000 * 10**9


def change(name: str, before_ns: int, date_ns: int) -> ForeignDate:
    return ForeignDate(0, b"", name.encode(), before_ns, date_ns)


def given_one_date(count: int) -> list[ForeignDate]:
    return [change(f"wish {n}", WISH + (n + 2) * 12_345_678, WISH) for n in range(count)]


def shifted(count: int) -> list[ForeignDate]:
    """A shift by an hour, in which the last file gets the date WISH."""
    dates = [WISH + n * 10**9 for n in range(count - 1, -1, -1)]
    return [change(f"shifted {date}", date + HOUR, date) for date in dates]


def test_find_one_date_for_several_files_is_given() -> None:
    found = shifts.find(given_one_date(3))
    assert not found.known
    assert found.given == {WISH}
    assert not found.explains(-HOUR, WISH)


def test_find_shift_onto_a_date_that_was_given_earlier_is_a_shift() -> None:
    found = shifts.find([*given_one_date(3), *shifted(8)])
    assert found.is_known(-HOUR, WISH)


def test_find_date_given_after_a_shift_is_given() -> None:
    """One of the files happens to be an hour away from the date that the user gives."""
    chance = change("by chance", WISH + HOUR, WISH)
    found = shifts.find([*shifted(8)[:-1], *given_one_date(3), chance])
    assert found.known == {-HOUR}
    assert not found.is_known(-HOUR, WISH)
