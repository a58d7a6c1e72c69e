"""The messages that clients and the daemon exchange: requests, results and progress."""

from functools import cache
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_args

import msgspec

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class BaseRequest(msgspec.Struct, Generic[R_co], forbid_unknown_fields=True, omit_defaults=True):
    """The base class of the Request of each verb. `R_co`: the type of the rows that answer it."""

    needs_watch: ClassVar[bool] = False
    """True if the verb needs a config with at least one watched folder."""
    keeps_pause: ClassVar[bool] = False
    """True if the verb reads or sets the pause.

    Without a daemon, other verbs run as if there were no pause.
    """
    works_on_battery: ClassVar[bool] = False
    """True if the verb embeds or trains at once, even if the computer runs on battery."""
    any_folder: ClassVar[bool] = False
    """True if the field `folder` may name a folder that is not watched."""


class Result(NamedTuple, Generic[R_co]):
    """One row of an answer. If its `error` is not None, the command exits with code 1."""

    row: R_co


class Progress(NamedTuple):
    """The progress of some work: `done` of `total` items are finished. `what` names the work."""

    what: str
    done: int
    total: int


Message = Result[R_co] | Progress


def decode_row(response: Any, values: dict[str, Any]) -> Any:
    """Convert decoded JSON to a row.

    `response`: the type of the row, a Struct or a union of Structs. If it is a union
    without tags, use the first type whose required fields are all in `values`. Unknown fields are
    ignored.
    Raises msgspec.ValidationError if `values` does not fit.
    """
    kinds = get_args(response)
    if not kinds or kinds[0].__struct_config__.tag is not None:
        return msgspec.convert(values, response)
    fitting = (kind for kind in kinds if _required(kind) <= values.keys())
    return msgspec.convert(values, next(fitting, kinds[0]))


@cache
def _required(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind) if field.required)
