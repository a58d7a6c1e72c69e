"""The embedders by the name that the config gives. Nothing heavy is imported until `load`."""

from __future__ import annotations

from typing import NamedTuple

from imgscore.embedders import lite0_spec
from imgscore.embedders.base import Embedder, Section
from imgscore.errors import ConfigError

NAMES = ("efficientnet-lite0",)


class Spec(NamedTuple):
    """What is known of an embedder without loading it."""

    id: str
    dim: int
    sections: tuple[Section, ...]


def spec(model: str) -> Spec:
    """The facts of the model that the config names. Raises ConfigError for an unknown one."""
    if model == "efficientnet-lite0":
        return Spec(lite0_spec.ID, lite0_spec.DIM, lite0_spec.SECTIONS)
    raise ConfigError(
        f"model = {model!r}: there is no such embedder", f"use one of: {', '.join(NAMES)}"
    )


def load(model: str, device: str) -> Embedder:
    """The embedder, ready for use on `device` ("auto" or "cpu")."""
    spec(model)
    if device not in ("auto", "cpu"):
        raise ConfigError(f"device = {device!r}: there is no such device", 'use "auto" or "cpu"')
    from imgscore.embedders import lite0

    return lite0.load()
