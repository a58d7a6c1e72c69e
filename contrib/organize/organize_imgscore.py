"""The filter `imgscore` for organize: selects images by their score or their label.

Run organize through this file, which registers the filter: `python organize_imgscore.py run`.
"""

import atexit
from typing import ClassVar

from organize.cli import cli
from organize.filter import FilterConfig
from organize.output import Output
from organize.registry import register_filter
from organize.resource import Resource
from pydantic import Field
from pydantic.config import ConfigDict
from pydantic.dataclasses import dataclass

import imgscore

_library = imgscore.open()
atexit.register(_library.close)


@dataclass(config=ConfigDict(extra="forbid"))
class Imgscore:
    """Matches images by their score, from 0 to 1, and by their label.

    A file without a score matches only if neither `min` nor `max` is given. A file that is no image
    never matches.

    **Returns:** `{imgscore.score}`, `{imgscore.percent}` (a whole number) and `{imgscore.label}`
    """

    min: float | None = Field(default=None, ge=0, le=1)
    max: float | None = Field(default=None, ge=0, le=1)
    label: str | None = None
    taste: str | None = None

    filter_config: ClassVar[FilterConfig] = FilterConfig(name="imgscore", files=True, dirs=False)

    def pipeline(self, res: Resource, output: Output) -> bool:
        """Score a file, and return whether it matches."""
        assert res.path is not None
        (row,) = _library.score(res.path, taste=self.taste)
        if row.error is not None:
            output.msg(res=res, level="warn", msg=row.error, sender="imgscore")
            return False
        percent = None if row.score is None else round(100 * row.score)
        res.vars["imgscore"] = {"score": row.score, "percent": percent, "label": row.label}
        if self.label is not None and row.label != self.label:
            return False
        if self.min is None and self.max is None:
            return True
        return row.score is not None and (self.min or 0) <= row.score <= (
            1 if self.max is None else self.max
        )


register_filter(Imgscore)

if __name__ == "__main__":
    cli()
