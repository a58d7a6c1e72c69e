"""Find an embedder by its name in the config. Only `load` imports heavy modules."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from imgscore import paths
from imgscore.config import UseFilename
from imgscore.embedders import (
    backends,
    catalogue,
    devices,
    lite0_spec,
    onnx_spec,
    telemetry,
    uform_spec,
)
from imgscore.embedders.base import Preprocessor, Section, StagedEmbedder
from imgscore.embedders.filename_spec import HASHED_DIM, HASHED_ENCODER, NAME_SECTION
from imgscore.embedders.onnx_spec import OnnxFolder
from imgscore.errors import ConfigError, ImgscoreError

BUILT_IN = "efficientnet-lite0"
"""The name of the model that is part of the package and needs no download."""
_HUB_NAME = re.compile(r"hf:([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)")
"""The name of a model on the hub: `hf:OWNER/NAME`."""


class Spec(NamedTuple):
    """The description of the input of a head. A Spec is made without loading a model.

    `id`, `dim`, `sections`: the id, the number of values and the sections of the whole input. If
    file names are used, the id also contains the id of the name encoder. The last section then
    contains the vector of the file name.
    `image_embedder`: the id under which the vectors of images are stored.
    `name_encoder`: the id of the name encoder, or None if file names are not used.
    """

    id: str
    dim: int
    sections: tuple[Section, ...]
    image_embedder: str
    name_encoder: str | None = None
    measures_names: bool = False
    """whether a training measures the weight of file names, and uses them beside the input"""

    @property
    def image_dim(self) -> int:
        """The number of values in the vector of an image."""
        return self.sections[-1].start if self.name_encoder else self.dim


def spec(model: str, *, use_filename: UseFilename = False) -> Spec:
    """Return the Spec of a model in the config. Raises ConfigError if the model is unusable.

    `use_filename`: the setting of the config. True means that the file name is part of a head's
    input, "auto" that a training measures the weight of file names.
    """
    measures = use_filename == "auto"
    if model == BUILT_IN:
        images = Spec(
            lite0_spec.ID, lite0_spec.DIM, lite0_spec.SECTIONS, lite0_spec.ID, None, measures
        )
        return _with_names(images, HASHED_ENCODER, HASHED_DIM) if use_filename is True else images
    folder = open_model(model)
    images = Spec(folder.id, folder.dim, folder.sections, folder.id, None, measures)
    if use_filename is not True:
        return images
    return _with_names(images, folder.text_id, folder.text_dim)


def _with_names(images: Spec, encoder: str, dim: int) -> Spec:
    """Return the Spec of an input that contains the vectors of an image and of its file name.

    `dim`: the number of values in the vector of a name.
    """
    name = Section(NAME_SECTION, images.dim, images.dim + dim)
    sections = (*images.sections, name)
    return Spec(f"{images.id}+{encoder}", name.stop, sections, images.image_embedder, encoder)


def load(model: str, device: str, warn: Callable[[str], None] | None = None) -> StagedEmbedder:
    """Load an embedder that runs on `device`: "auto", or a key of `devices.PROVIDERS`.

    If the CPU is used instead of this device, `warn` is called with one sentence. Raises
    ImgscoreError if the model cannot be loaded.
    """
    telemetry.disable()
    import onnxruntime

    choice = devices.choose(device, onnxruntime.get_available_providers())
    folder = None if model == BUILT_IN else open_model(model)
    if folder is not None and folder.weights.suffix != ".onnx":
        return _load(folder, (devices.CPU,))
    embedder = _load(folder, choice.providers)
    warning = choice.warning or devices.after_loading(choice, embedder.providers).warning
    if warning is not None and warn is not None:
        warn(warning)
    return embedder


def load_for_batches(model: str, device: str) -> StagedEmbedder:
    """Load an embedder for the device process. It runs on `device`, and never on the CPU instead.

    `device`: "cpu", "auto", or a device of `backends.ONE_PROCESS`. Raises ImgscoreError, with the
    reason, if the model cannot run on this device in batches.
    """
    telemetry.disable()
    folder = None if model == BUILT_IN else open_model(model)
    kind = backends.torch_device(device)
    if folder is not None and folder.weights.suffix != ".onnx":
        if kind is None and device != "cpu":
            raise ImgscoreError(
                f'device = "{device}": {folder.weights} needs torch for this device',
                'install torch for the device (https://pytorch.org), or set device = "cpu"',
            )
        return _load(folder, (devices.CPU,), kind or "cpu")
    if folder is None and kind is not None:
        from imgscore.embedders import lite0_torch

        return lite0_torch.load(kind)
    providers = backends.onnxruntime_providers(device) or (devices.CPU,)
    embedder = _load(folder, providers)
    if embedder.network.max_batch == 1 and providers[0] != devices.CPU:
        raise ImgscoreError(
            f"the ONNX file of {model} cannot compute batches (it is quantised for CPUs, or its "
            "batch size is fixed), so an accelerator would be slower than the CPU",
            'use a model with weights for torch (.safetensors), or set device = "cpu"',
        )
    if embedder.providers[0] != providers[0]:
        raise ImgscoreError(
            f"onnxruntime cannot use {providers[0]}, although it is installed",
            'see the message above, or set device = "cpu"',
        )
    return embedder


def _load(
    folder: uform_spec.Folder | OnnxFolder | None, providers: Sequence[str], device: str = "cpu"
) -> StagedEmbedder:
    """Load the embedder of a folder, or the built-in embedder if `folder` is None.

    `device`: the device for weights for torch.
    """
    if folder is None:
        from imgscore.embedders import lite0

        return lite0.load(providers=providers)
    if isinstance(folder, OnnxFolder):
        from imgscore.embedders import onnx_encoder

        return onnx_encoder.load(folder, providers=providers)
    from imgscore.embedders import uform

    return uform.load(folder, providers=providers, device=device)


def preprocessor(model: str) -> Preprocessor:
    """Return the preprocessor of a model, without its network."""
    if model == BUILT_IN:
        from imgscore.embedders.lite0 import Lite0Inputs

        return Lite0Inputs()
    folder = open_model(model)
    if isinstance(folder, OnnxFolder):
        from imgscore.embedders.onnx_encoder import OnnxInputs

        return OnnxInputs(folder)
    from imgscore.embedders.uform import UformInputs

    return UformInputs(folder)


def is_quick_to_load(model: str) -> bool:
    """Return whether a file worker can load the model in a fraction of a second.

    The pool then needs a device process only for many files.
    """
    return model == BUILT_IN


def hint(model: str) -> str | None:
    """Return one line that explains how to get UForm.

    The result is None if a UForm model is in use or already downloaded.
    """
    if model != BUILT_IN or any(model_folder(name).is_dir() for name in catalogue.UFORM):
        return None
    name, entry = next(iter(catalogue.UFORM.items()))
    return (
        f"the model is the built-in {BUILT_IN}; for UForm (about {entry.megabytes} MB): "
        f"imgscore model download {name}, then imgscore model use {name}"
    )


def open_model(model: str) -> uform_spec.Folder | OnnxFolder:
    """Return the folder of a model that is not built in.

    `model`: the name of a downloaded model, or the absolute path of a folder.

    Raises ConfigError if the folder is missing, or if its layout is not supported.
    """
    if model in catalogue.UFORM or hub_repository(model) is not None:
        folder = model_folder(model)
        if not folder.is_dir():
            raise ConfigError(
                f"model = {model!r}: this model has not been downloaded yet",
                f"download the model: imgscore model download {model}",
            )
        return open_folder(folder, model.rpartition("/")[2].lower())
    path = Path(model).expanduser()
    if not path.is_absolute():
        names = ", ".join((BUILT_IN, *catalogue.UFORM))
        raise ConfigError(
            f"model = {model!r}: there is no such embedder",
            f"use one of: {names}; hf:OWNER/NAME after its download; or the absolute path of a "
            "folder with a model",
        )
    if not path.is_dir():
        raise ConfigError(f"model = {model!r}: there is no such folder", "check the path")
    return open_folder(Path(os.path.realpath(path)))


def open_folder(folder: Path, label: str | None = None) -> uform_spec.Folder | OnnxFolder:
    """Return the folder of a model in any supported layout.

    `label`: the first part of the id of the embedder. None means a default.

    Raises ConfigError if the folder has no supported layout.
    """
    if onnx_spec.is_onnx_folder(folder):
        return onnx_spec.open_folder(folder, label)
    return uform_spec.open_folder(folder, label or "uform")


def check_searches(model: str) -> None:
    """Raise ImgscoreError if a model cannot search by words, because it has no text encoder."""
    if model != BUILT_IN and open_model(model).has_text:
        return
    name, entry = next(iter(catalogue.UFORM.items()))
    raise ImgscoreError(
        f"the model in use ({model}) cannot search by words, because it has no text encoder",
        f"use a model that has one, for example: imgscore model download {name} "
        f"({entry.megabytes} MB), then imgscore model use {name}; the images are embedded again",
    )


def downloaded() -> list[str]:
    """Return the names `hf:OWNER/NAME` of the downloaded models outside of the catalogue."""
    models = paths.data_folder() / "models"
    names = (folder.name.split("--") for folder in models.glob("hf--*--*") if folder.is_dir())
    return sorted(f"hf:{parts[1]}/{'--'.join(parts[2:])}" for parts in names if len(parts) > 2)


def hub_repository(model: str) -> str | None:
    """Return OWNER/NAME if `model` is `hf:OWNER/NAME`, else None."""
    found = _HUB_NAME.fullmatch(model)
    return None if found is None else found[1]


def model_folder(model: str) -> Path:
    """Return the folder of a downloaded model. The folder may not exist yet."""
    return paths.data_folder() / "models" / model.replace(":", "--").replace("/", "--")
