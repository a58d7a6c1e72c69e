"""The class `Finding`: one result of a check."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One result of a check, which `imgscore doctor` prints as one line.

    `check`: a name in `doctor.CHECKS`.
    """

    check: str
    state: Literal["ok", "warning", "problem"]
    detail: str
    remedy: str = ""
