"""The recipes by name. Nothing heavy is imported until a recipe is used."""

from __future__ import annotations

from imgscore.errors import UsageError
from imgscore.heads.base import Recipe

AUTO = "auto"
NAMES = (AUTO, "kernel", "mlp")


def recipe(name: str) -> Recipe:
    """The recipe called `name`; "auto" is the kernel head, which itself weighs its parts by
    held-out labels; it won in bench/LEARNING.md at every number of labels."""
    if name in (AUTO, "kernel"):
        from imgscore.heads.kernel import KernelRecipe

        return KernelRecipe()
    if name == "mlp":
        from imgscore.heads.mlp import MlpRecipe

        return MlpRecipe()
    raise UsageError(f"no head is called {name!r}", f"use one of {', '.join(NAMES)}")
