"""The task to prepare the library for trainings, and its answer. `messages` lists both."""

from typing import ClassVar

import msgspec


class PrepareLibrary(msgspec.Struct, tag=True, frozen=True):
    """The task to compute the nodes and the graph of the library, unless the cache has them."""

    handler: ClassVar[str] = "prepare_library:prepare_library"
    seconds: ClassVar[int] = 3600


class LibraryPrepared(msgspec.Struct, tag=True, frozen=True):
    """The answer to PrepareLibrary: the cache contains the library, or the library is small."""
