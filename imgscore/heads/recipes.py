"""Find a recipe by name. Imports nothing heavy before a recipe is used."""

from __future__ import annotations

from imgscore.errors import UsageError
from imgscore.heads.base import Recipe

AUTO = "auto"
NAMES = (AUTO, "kernel", "mlp")


def recipe(name: str) -> Recipe:
    """The recipe with this name. Raises UsageError if there is none.

    "auto" is the kernel head, the best one at each number of labels (bench/LEARNING.md).
    """
    if name in (AUTO, "kernel"):
        from imgscore.heads.kernel import KernelRecipe

        return KernelRecipe()
    if name == "mlp":
        from imgscore.heads.mlp import MlpRecipe

        return MlpRecipe()
    raise UsageError(f"there is no kind of head called {name!r}", f"use one of {', '.join(NAMES)}")
