"""A program that learns your taste in images.

It sets the file dates so that a folder sorted by date shows the best images first.

`imgscore.open()` is the public Python API; docs/api.md describes it. A name of the API is imported
when it is used, so `import imgscore` imports nothing else.
"""

TYPE_CHECKING = False  # The import of typing would take longer than the rest of this module.
if TYPE_CHECKING:
    from imgscore import errors
    from imgscore.api import (
        Event,
        FoundImage,
        LabelledFile,
        Library,
        ScoredFile,
        Status,
        Taste,
        TouchedFile,
        Vector,
        open,
    )

# The version is defined only here. pyproject.toml and the man pages read it from this line.
__version__ = "0.1.0"

__all__ = (
    "Event",
    "FoundImage",
    "LabelledFile",
    "Library",
    "ScoredFile",
    "Status",
    "Taste",
    "TouchedFile",
    "Vector",
    "__version__",
    "errors",
    "open",
)


def __dir__() -> list[str]:
    """List the names of the public API, too, although they are not imported yet."""
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # Otherwise a type checker would accept every name.

    def __getattr__(name: str) -> object:
        """Import a name of the public API."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        if name == "errors":
            return importlib.import_module("imgscore.errors")
        return getattr(importlib.import_module("imgscore.api"), name)
