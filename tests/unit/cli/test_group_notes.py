"""The notes after the rows of `groups`."""

from itertools import islice

import pytest

from imgscore.cli.group_notes import GroupNotes
from imgscore.messages import Result
from imgscore.verbs.groups import GroupRow

ROWS = [Result(GroupRow("copies", ["/a", "/b"], "why", [])) for _ in range(3)]


@pytest.mark.parametrize(("read", "notes_text"), [(3, ""), (4, "3 groups of copies\n")])
def test_print_counts_groups_only_if_the_answer_was_read_to_its_end(
    read: int, notes_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = GroupNotes()
    rows = notes.counted(ROWS)
    assert len([*islice(rows, read)]) == 3
    notes.print(as_json=False)
    assert capsys.readouterr().err == notes_text
