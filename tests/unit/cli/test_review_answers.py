"""The numbers that groups have on the page."""

from imgscore.cli.review_answers import groups_on_page
from imgscore.report.data import Group, ReportData
from tests.unit.report.samples import report_data


def with_groups(*names: str, digests: str, groups: list[Group]) -> ReportData:
    data = report_data(*names)
    data.images.sha256 = "".join(digit * 64 for digit in digests)
    data.groups = groups
    return data


def test_groups_on_page_of_the_same_files_are_unchanged() -> None:
    groups = [Group("bursts", "why", [1, 0], [1.0, None], ["JPEG", "PNG"])]
    data = with_groups("a", "b", digests="ab", groups=groups)
    assert groups_on_page(data, data) == groups


def test_groups_on_page_have_the_numbers_of_the_page() -> None:
    """Files came, went and changed since the page was made; `a` and `c` are copies."""
    page = with_groups("c", "a", "b", "d", digests="aabd", groups=[])
    groups = [
        Group("bursts", "why", [4, 2, 0], [3.0, 2.0, None], ["RAW", "JPEG", "PNG"]),
        Group("copies", "equal", [0, 3], [None, None], ["PNG", "PNG"]),
        Group("bursts", "one is left", [1, 2], [None, None], ["", ""]),
    ]
    data = with_groups("a", "new", "b", "c", "d", digests="axbae", groups=groups)
    assert groups_on_page(data, page) == [
        Group("bursts", "why", [2, 1], [2.0, None], ["JPEG", "PNG"]),
        Group("copies", "equal", [1, 0], [None, None], ["PNG", "PNG"]),
    ]
