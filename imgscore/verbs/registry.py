"""The list of all verbs, and functions to find and run a verb.

Each file in the folder verbs/ contains one verb, except the files in _NOT_VERBS.

A client imports the file of a verb, because it needs the classes Request and Response. A client
does not need the engine, which is slow to import. The file of a verb therefore imports the engine,
the workers and the store inside functions.
"""

from __future__ import annotations

import importlib
import keyword
import pkgutil
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from imgscore import verbs
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import PATH_PATTERN, BaseRequest, R, decode_row
from imgscore.system import upgrade
from imgscore.verbs import argument_checks

if TYPE_CHECKING:
    from types import ModuleType

    from imgscore.engine.engine import Engine
    from imgscore.verbs.base import Steps

_NOT_VERBS = frozenset(
    {
        "argument_checks",
        "base",
        "first_order",
        "folder_images",
        "group_labels",
        "group_place",
        "queries",
    }
    | {"ratings", "registry", "tastes"}
)
_RESTART = "imgscore stop, then imgscore start"


@cache
def names() -> list[str]:
    """Return the names of all verbs in alphabetical order. Later calls do not read the folder.

    Raises ImgscoreError if the folder cannot be read.
    """
    files = {module.name for module in pkgutil.iter_modules(verbs.__path__)}
    if not files:  # pkgutil ignores errors, such as a lack of file descriptors.
        raise ImgscoreError(
            "the list of commands cannot be read",
            "end other programs, or raise the limits (ulimit)",
        )
    return sorted(file.rstrip("_").replace("_", "-") for file in files - _NOT_VERBS)


def find(name: str) -> ModuleType:
    """Import the file of a verb, and return the module. Raises UsageError if `name` is no verb."""
    if name not in names():
        raise UsageError(
            f"there is no command {name!r}",
            f"see imgscore --help; if imgscore was upgraded, restart the daemon: {_RESTART}",
        )
    file = name.replace("-", "_")
    if keyword.iskeyword(file):
        file += "_"
    return importlib.import_module(f"{verbs.__name__}.{file}")


def parse(name: str, arguments: dict[str, Any]) -> BaseRequest[Any]:
    """Convert the arguments of a verb to the Request of this verb.

    `arguments`: the fields of the Request as decoded JSON. Raises UsageError if a field is wrong.
    """
    verb = find(name)
    try:
        request: BaseRequest[Any] = msgspec.convert(arguments, verb.Request)
    except (ValueError, OverflowError, RecursionError) as error:
        text = str(error)
        if PATH_PATTERN in text:
            text = "a path contains a character that no path can contain"
        raise UsageError(
            f"{name}: {text}",
            f"see imgscore {name} --help; if imgscore was upgraded, restart the daemon: {_RESTART}",
        ) from None
    return request


def name_of(request: BaseRequest[Any]) -> str:
    """Return the name of the verb in whose file the class of the request is defined."""
    return type(request).__module__.rpartition(".")[2].rstrip("_").replace("_", "-")


def run(engine: Engine, request: BaseRequest[R]) -> Steps[R]:
    """Check the arguments, call `run` of the verb of a request, and return the generator.

    Raises UsageError if the request names a folder or a taste that does not exist.
    """
    argument_checks.check(engine, request)
    steps: Steps[R] = sys.modules[type(request).__module__].run(engine, request)
    return steps


def row_of(request: BaseRequest[R], values: dict[str, Any]) -> R:
    """Convert decoded JSON to a row of the answer to `request`.

    Raises ImgscoreError if `values` does not fit the Response of the verb.
    """
    response = sys.modules[type(request).__module__].Response
    try:
        row: R = decode_row(response, values)
    except msgspec.ValidationError as error:
        raise ImgscoreError(
            f"the daemon's answer to {name_of(request)!r} cannot be read: {error}",
            upgrade.REMEDY,
        ) from None
    return row
