"""Find a recipe by its name. This module imports heavy modules only when a recipe is used."""

from __future__ import annotations

from imgscore.errors import UsageError
from imgscore.heads.base import Recipe

AUTO = "auto"
MLP = "mlp"
NAMES = (AUTO, "kernel", MLP)
WORDS = "words"
"""The kind of heads that are made of words. Labels cannot train such a head."""


def recipe(name: str, device: str = "cpu") -> Recipe:
    """Return the recipe with this name. Raises UsageError if there is no such recipe.

    `device`: the device of the config. Only the mlp recipe uses a GPU.

    "auto" means the kernel head, which is the best head at each number of labels
    (bench/LEARNING.md).
    """
    if name in (AUTO, "kernel"):
        from imgscore.heads.kernel import KernelRecipe

        return KernelRecipe()
    if name == MLP:
        from imgscore.heads.mlp import MlpRecipe

        return MlpRecipe(device)
    if name == WORDS:
        from imgscore.heads.words import WordsRecipe

        return WordsRecipe()
    raise UsageError(f"there is no kind of head called {name!r}", f"use one of {', '.join(NAMES)}")
