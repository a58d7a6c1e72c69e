"""The command `model`: list, download and select models."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from imgscore import config, config_edit, dispatch, paths
from imgscore.cli import completions
from imgscore.cli.app import Json, Section, group, prints, run
from imgscore.cli.output import print_messages, print_note, printable
from imgscore.cli.path_text import short, shortened
from imgscore.embedders import catalogue, registry
from imgscore.messages import Message, Progress, Result
from imgscore.verbs.model import Request, Response


class DownloadedModel(msgspec.Struct):
    """A model that was downloaded."""

    name: str
    """the name of the model"""
    path: str
    """the folder of the model's files"""
    embedder: str
    """the id of the model's embedder"""
    revision: str | None
    """the commit that was downloaded; null if the commit is not known"""
    downloaded: bool
    """true if files were downloaded now; false if all files were already there"""
    error: str | None = None
    """always null"""


class SelectedModel(msgspec.Struct):
    """The model in use."""

    name: str
    """the name of the model, or the folder of its files"""
    embedder: str
    """the id of the model's embedder"""
    changed: bool
    """true if another model was in use before"""
    config: str
    """the config file"""
    error: str | None = None
    """always null"""


class CheckedModel(msgspec.Struct):
    """The result of trying a model out on ten pictures."""

    name: str
    """the name of the model, or the folder of its files"""
    embedder: str
    """the id of the model's embedder"""
    dimension: int
    """the length of a vector of the model"""
    search: bool
    """true if the model can search by words"""
    licence: str | None
    """the licence that the model's folder states; null if it states none"""
    images_per_second: float
    """the speed on one core of the CPU, without decoding"""
    spread: float
    """the mean distance (1 - cosine) between vectors of different pictures; near 0 is suspicious"""
    library: str | None
    """the library whose preparation of images was compared; null if it is not installed"""
    min_cosine: float | None
    """the smallest cosine between imgscore's vector and the vector of the library's pixels"""
    error: str | None = None
    """the reason why the model should not be used; null if it can be used"""


ModelName = Annotated[
    str,
    typer.Argument(
        help="A model's name, or the folder of a model.", autocompletion=completions.models
    ),
]

commands = group("model", Section.BEGIN, "List, download and select models.")


@commands.command("list")
@prints(Response)
def list_models(as_json: Json = False) -> None:
    """List the models and their state.

    The output also has the number of stored vectors of each model.
    """
    run(Request(), _describe, as_json=as_json)


@commands.command()
@prints(DownloadedModel)
def download(
    name: Annotated[
        str,
        typer.Argument(
            help=f"One of: {', '.join(catalogue.UFORM)}; or hf:OWNER/NAME[@REVISION].",
            autocompletion=completions.downloads,
        ),
    ],
    revision: Annotated[
        str | None, typer.Option(help="A commit, branch or tag, in place of the pinned commit.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Download a model. No other command uses the network.

    If the download is interrupted, repeat the command to continue it.
    """
    name, _, after = name.partition("@")
    messages = _download(name, revision or after or None)
    raise typer.Exit(print_messages(messages, _downloaded, as_json=as_json))


@commands.command()
@prints(SelectedModel)
def use(
    name: ModelName,
    as_json: Json = False,
) -> None:
    """Select another model, and embed all images with it.

    The labels and the vectors of the old model are kept.
    """
    raise typer.Exit(print_messages(_use(name), _used, as_json=as_json))


@commands.command()
@prints(CheckedModel)
def check(
    name: ModelName,
    as_json: Json = False,
) -> None:
    """Try a model out on ten pictures, and change nothing.

    The command measures the speed. If the library that defines the model's layout is installed
    (transformers, open_clip), the command also compares how images are prepared.
    """
    raise typer.Exit(print_messages(_check(_full_name(name)), _checked, as_json=as_json))


def _download(name: str, revision: str | None) -> Iterator[Message[DownloadedModel]]:
    from imgscore.embedders import manifest
    from imgscore.embedders.download import download as fetch

    fetched = False
    for received in fetch(name, revision):
        fetched = True
        yield Progress(f"{received.file}, kB", received.done // 1000, received.total // 1000)
    folder = registry.open_model(name)
    recorded = manifest.read(folder.path)
    yield Result(
        DownloadedModel(
            name=name,
            path=str(folder.path),
            embedder=folder.id,
            revision=recorded.revision if recorded else None,
            downloaded=fetched,
        )
    )


def _use(name: str) -> Iterator[Message[SelectedModel]]:
    name = _full_name(name)
    embedder = _try_out(name)
    path = paths.config_file()
    before = config.read(path) or ""
    settings = config.parse(before, str(path))
    registry.spec(name, use_filename=settings.use_filename)
    changed = settings.model != name
    if changed:
        config_edit.write(path, config_edit.with_setting(before, "model", name))
        dispatch.reload_daemon()
    yield Result(SelectedModel(name, embedder, changed, str(path)))


def _full_name(name: str) -> str:
    """Return the name of a model. The name of a folder becomes its absolute path."""
    known = name == registry.BUILT_IN or name in catalogue.UFORM
    known = known or registry.hub_repository(name) is not None
    if not known and Path(name).expanduser().is_dir():
        return os.path.realpath(Path(name).expanduser())
    return name


def _check(name: str) -> Iterator[Message[CheckedModel]]:
    from imgscore.cli import model_check

    yield Progress("checking", 0, model_check.PICTURES)
    tried = model_check.try_out(name)
    error = None
    if tried.min_cosine is not None and tried.min_cosine < model_check.MIN_COSINE:
        error = (
            f"imgscore and {tried.library} prepare images differently: please report this, and use "
            "another model"
        )
    elif tried.spread < model_check.MIN_SPREAD:
        error = "the model gives almost the same vector for different pictures: use another model"
    yield Result(CheckedModel(name=name, error=error, **tried._asdict()))


def _try_out(name: str) -> str:
    """Embed a picture with a model, and return the id of its embedder.

    If the model is broken, this function raises ImgscoreError before the config is changed.
    """
    import numpy as np

    from imgscore.images.decode import Picture
    from imgscore.images.traits import Traits

    facts = Traits(width=64, height=64, format="PNG", bytes_per_pixel=1.0)
    model = registry.load(name, "cpu")
    model.embed([Picture(np.full((64, 64, 3), 128, np.uint8), facts)])
    return model.id


def _describe(row: Response) -> str:
    mark = "*" if row.in_use else " "
    name = printable(row.name or f"(only vectors) {row.embedder}")
    if row.error:
        return f"{mark} {name}: {shortened(row.error)}"
    if row.name is None:
        return f"{mark} {name}: {row.vectors} vectors"
    state = f"not downloaded (about {row.download_mb} MB)"
    if row.installed:
        state = f"installed, {row.disk_bytes / 1e6:.0f} MB"
    elif row.download_mb is None:
        state = "not downloaded"
    parts = [f"{row.dimension} dimensions", state, f"{row.vectors} vectors"]
    if row.search:
        parts.append("searches by words")
    if row.licence:
        parts.append(printable(row.licence))
    return f"{mark} {name}: {'; '.join(parts)}"


def _downloaded(row: DownloadedModel) -> str:
    print_note(f"to use this model: imgscore model use {row.name}")
    state = "downloaded" if row.downloaded else "already downloaded"
    return f"{row.name}: {state}, {short(row.path)}, revision {row.revision}"


def _checked(row: CheckedModel) -> str:
    compared = "not compared with the library that defines its layout, which cannot be imported"
    if row.name == registry.BUILT_IN:
        compared = "part of imgscore, so there is no library to compare with"
    elif row.library is not None and row.min_cosine is not None:
        compared = f"prepares images like {row.library} (cosine at least {row.min_cosine:.4f})"
    lines = [
        f"{printable(row.name)} ({row.embedder})",
        f"  {row.dimension} dimensions; {row.images_per_second:.1f} images a second on one core",
        f"  searches by words: {'yes' if row.search else 'no'}; "
        f"licence: {printable(row.licence or 'not stated')}",
        f"  {compared}" if row.error is None else f"  {row.error}",
    ]
    return "\n".join(lines)


def _used(row: SelectedModel) -> str:
    name = printable(row.name)
    if not row.changed:
        return f"{name} is already in use ({row.embedder})"
    return f"{name} is in use now ({row.embedder}); to see the progress: imgscore status"
