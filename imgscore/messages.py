"""The messages that clients and the daemon exchange: requests, results and progress."""

from functools import cache
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar, get_args

import msgspec

MAX_ROWS = 1_000_000
"""The largest number of rows that a client can request. Larger numbers are mistakes."""
MAX_SECONDS = 315_360_000
"""The largest number of seconds in a request: ten years. Larger numbers overflow some timers."""
MAX_PATH = 4096
"""The largest length of a path, in characters. It is the limit of the system (PATH_MAX)."""
MAX_ITEMS = 100_000
"""The largest number of items in a list of a request."""
# The characters that no path can contain: NUL, and surrogates that stand for no byte.
PATH_PATTERN = r"^[^\x00\ud800-\udc7f\udd00-\udfff]*\Z"

# The types of the fields of requests. Each number has bounds, and each text and each list has a
# largest length, because a client can send anything.
Rows = Annotated[int, msgspec.Meta(ge=1, le=MAX_ROWS)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
PathText = Annotated[str, msgspec.Meta(max_length=MAX_PATH, pattern=PATH_PATTERN)]
PathTexts = Annotated[list[PathText], msgspec.Meta(max_length=MAX_ITEMS)]
Sha256Text = Annotated[str, msgspec.Meta(max_length=64)]
ShortText = Annotated[str, msgspec.Meta(max_length=1000)]

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
    needs_file: ClassVar[bool] = False
    """True if the field `file`, if it is not empty, must name a file that exists."""
    any_folder: ClassVar[bool] = False
    """True if the field `folder` may name a folder that is not watched."""

    @property
    def only_reads(self) -> bool:
        """True if the request needs only the data that are stored.

        Without a daemon, this process then does no other work before the answer.
        """
        return False


class Result(NamedTuple, Generic[R_co]):
    """One row of an answer. If its `error` is not None, the command exits with code 1."""

    row: R_co


class Progress(NamedTuple):
    """The progress of some work: `done` of `total` items are finished. `what` names the work.

    If the total is not known, `total` is 0.
    """

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
