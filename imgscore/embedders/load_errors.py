"""Turn the exceptions of libraries that load a model into an error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgscore.errors import ImgscoreError


@contextmanager
def named(weights: Path) -> Iterator[None]:
    """Raise ImgscoreError with the name of the weights if the block cannot load them.

    An ImgscoreError of the block is raised unchanged.
    """
    try:
        yield
    except ImgscoreError:
        raise
    # For a file that is not a model, onnxruntime and torch raise exceptions of unrelated classes.
    except Exception as error:
        raise ImgscoreError(
            f"{weights} cannot be loaded: {error}",
            "copy the file again from its source, or use another model",
        ) from error
