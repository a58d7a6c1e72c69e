"""What crosses the control socket: requests, results and progress, and how they are decoded."""

from functools import cache
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_args

import msgspec

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class BaseRequest(msgspec.Struct, Generic[R_co], forbid_unknown_fields=True, omit_defaults=True):
    """The base of every verb's Request. `R_co` is the type of the verb's rows: its Response."""

    needs_watch: ClassVar[bool] = False
    """whether the verb is an error while no folder is watched"""
    keeps_pause: ClassVar[bool] = False
    """whether the verb reads or sets the pause; without a daemon, other verbs run despite it"""
    works_on_battery: ClassVar[bool] = False
    """whether the verb embeds or trains at once, also on battery"""


class Result(NamedTuple, Generic[R_co]):
    """A row of the answer. A row whose `error` is not None makes the exit code 1."""

    row: R_co


class Progress(NamedTuple):
    """How much of the work named `what` is done."""

    what: str
    done: int
    total: int


Message = Result[R_co] | Progress


def decode_row(response: Any, values: dict[str, Any]) -> Any:
    """A row of the type `response`, a Struct or a union of Structs, from decoded JSON.

    In a union without tags, the row is of the first type whose required fields are all present.
    Fields that this program lacks are ignored. Raises msgspec.ValidationError.
    """
    kinds = get_args(response)
    if not kinds or kinds[0].__struct_config__.tag is not None:
        return msgspec.convert(values, response)
    fitting = (kind for kind in kinds if _required(kind) <= values.keys())
    return msgspec.convert(values, next(fitting, kinds[0]))


@cache
def _required(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind) if field.required)
