"""The embedders by the name that the config gives. Nothing heavy is imported until `load`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from imgscore import paths
from imgscore.embedders import catalogue, devices, lite0_spec
from imgscore.embedders.base import Embedder, Section
from imgscore.embedders.filename_spec import HASHED, HASHED_DIM, SECTION
from imgscore.embedders.uform_spec import Folder, open_folder
from imgscore.errors import ConfigError

EMBEDDED = "efficientnet-lite0"


class Spec(NamedTuple):
    """What a head sees, known without loading anything.

    `images` is the embedder's own id, under which vectors are stored; `names` the name encoder's,
    or "". With names, `id` says so too, and the last section is theirs.
    """

    id: str
    dim: int
    sections: tuple[Section, ...]
    images: str
    names: str = ""

    @property
    def images_dim(self) -> int:
        """Length of a stored vector."""
        return self.sections[-1].start if self.names else self.dim


def spec(model: str, *, use_filename: bool = False) -> Spec:
    """The facts of the model that the config names. Raises ConfigError where it cannot be used."""
    if model == EMBEDDED:
        alone = Spec(lite0_spec.ID, lite0_spec.DIM, lite0_spec.SECTIONS, lite0_spec.ID)
        return _with_names(alone, HASHED, HASHED_DIM) if use_filename else alone
    folder = uform_folder(model)
    dim = folder.image.embedding_dim
    alone = Spec(folder.id, dim, folder.sections, folder.id)
    return _with_names(alone, folder.text_id, dim) if use_filename else alone


def _with_names(alone: Spec, encoder: str, dim: int) -> Spec:
    name = Section(SECTION, alone.dim, alone.dim + dim)
    sections = (*alone.sections, name)
    return Spec(f"{alone.id}+{encoder}", name.stop, sections, alone.images, encoder)


def load(model: str, device: str, warn: Callable[[str], None] | None = None) -> Embedder:
    """The embedder, ready for use on `device`: "auto", or a name in `devices.PROVIDERS`.

    `warn` is told in one sentence where it must be the CPU instead. Raises ImgscoreError.
    """
    import onnxruntime

    choice = devices.choose(device, onnxruntime.get_available_providers())
    if model == EMBEDDED:
        from imgscore.embedders import lite0

        embedder: Embedder = lite0.load(providers=choice.providers)
    else:
        from imgscore.embedders import uform

        embedder = uform.load(uform_folder(model), providers=choice.providers)
    warning = choice.warning or devices.settled(choice, embedder.providers).warning
    if warning and warn is not None:
        warn(warning)
    return embedder


def hint(model: str) -> str | None:
    """For who has never chosen a model: how to get UForm, in one line."""
    if model != EMBEDDED or any(installed_at(name).is_dir() for name in catalogue.UFORM):
        return None
    name, entry = next(iter(catalogue.UFORM.items()))
    return (
        f"images are looked at by the embedded {EMBEDDED}; for UForm: imgscore model download "
        f"{name} (about {entry.megabytes} MB), then imgscore model use {name}"
    )


def uform_folder(model: str) -> Folder:
    """The checkpoint of a downloaded model, or in the folder that `model` is the path of."""
    if model in catalogue.UFORM:
        folder = installed_at(model)
        if not folder.is_dir():
            raise ConfigError(
                f"model = {model!r}: it has not been downloaded yet",
                f"download it with: imgscore model download {model}",
            )
        return open_folder(folder, model)
    path = Path(model).expanduser()
    if not path.is_absolute():
        names = ", ".join((EMBEDDED, *catalogue.UFORM))
        raise ConfigError(
            f"model = {model!r}: there is no such embedder",
            f"use one of: {names}; or a folder in UForm's layout, by its whole path",
        )
    if not path.is_dir():
        raise ConfigError(f"model = {model!r}: there is no such folder", "check the path")
    return open_folder(Path(os.path.realpath(path)))


def installed_at(model: str) -> Path:
    """The folder of a downloaded model, there or not."""
    return paths.data_folder() / "models" / model
