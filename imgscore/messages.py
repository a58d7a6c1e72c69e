"""The messages of a verb: results and progress. A verb yields them, and a client receives them."""

from typing import Any, Generic, NamedTuple, TypeVar

R = TypeVar("R")


class Result(NamedTuple, Generic[R]):
    """A row of the answer. A row whose `error` is not None makes the exit code 1."""

    row: R


class Progress(NamedTuple):
    """How much of the work named `what` is done."""

    what: str
    done: int
    total: int


Message = Result[Any] | Progress
