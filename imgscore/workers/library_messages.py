"""The tasks to prepare the library for trainings and scores, and their answers; see messages.py."""

from typing import ClassVar

import msgspec


class PrepareLibrary(msgspec.Struct, tag=True, frozen=True):
    """The task to compute the nodes and the graph of the library, unless the cache has them."""

    handler: ClassVar[str] = "prepare_library:prepare_library"
    seconds: ClassVar[int] = 3600


class LibraryPrepared(msgspec.Struct, tag=True, frozen=True):
    """The answer to PrepareLibrary: the cache contains the library, or the library is small."""


class PrepareRows(msgspec.Struct, tag=True, frozen=True):
    """The task to compute and store the unit rows of some images that have none in the cache."""

    handler: ClassVar[str] = "prepare_rows:prepare_rows"
    seconds: ClassVar[int] = 3600


class RowsPrepared(msgspec.Struct, tag=True, frozen=True):
    """The answer to PrepareRows. `more`: whether the rows of further images can be prepared."""

    more: bool
