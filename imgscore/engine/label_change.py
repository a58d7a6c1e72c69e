"""The record of a label that was set or cleared because of the place of a file."""

from typing import NamedTuple

from imgscore.watches import Role


class LabelChange(NamedTuple):
    """A label that was set or cleared because of the place of a file.

    number: the number of the event in the label log. before, after: the grades; None means no
    label. folder: the label folder that the label was
    from, as (inbox, role); None if the label was not from a folder.
    """

    number: int
    before: float | None
    after: float | None
    folder: tuple[bytes, Role] | None
