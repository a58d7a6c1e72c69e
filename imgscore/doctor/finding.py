"""The result of a check."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One line of `imgscore doctor`. `check` is a name in `doctor.CHECKS`."""

    check: str
    state: Literal["ok", "warning", "problem"]
    detail: str
    remedy: str = ""
