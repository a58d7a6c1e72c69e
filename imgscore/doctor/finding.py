"""What a check says."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One line of the doctor's. `check` is a name of `doctor.CHECKS`."""

    check: str
    state: Literal["ok", "warning", "problem"]
    detail: str
    remedy: str = ""
