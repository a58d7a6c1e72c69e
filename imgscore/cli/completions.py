"""Completions for the shell: inboxes, tastes, heads and models. Reads only, and reports no errors.

Every command imports this file, and few calls complete: each function imports what it needs.

Offers no name that the shell would have to quote: completion scripts paste a completion into the
command line unquoted, or even evaluate it.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from imgscore import paths
from imgscore.errors import ImgscoreError

if TYPE_CHECKING:
    from imgscore.config import WatchConfig

_SAFE = re.compile(r"[A-Za-z0-9_@+,./-]+|~/[A-Za-z0-9_@+,./-]*")


def inboxes(incomplete: str) -> list[str]:
    """The watched inboxes. They start with `~/` if the user's text does."""
    from imgscore import config

    home = f"{Path.home()}/"
    inboxes = []
    for watch in _watches():
        inbox = os.fsdecode(config.expand(watch.inbox))
        if incomplete.startswith("~/") and inbox.startswith(home):
            inbox = f"~/{inbox.removeprefix(home)}"
        inboxes.append(inbox)
    return _beginning(inboxes, incomplete)


def tastes(incomplete: str) -> list[str]:
    """The tastes of the config, and the tastes that have a head."""
    names = {"default", *(watch.taste for watch in _watches())}
    if paths.heads_folder().is_dir():
        names |= set(os.listdir(paths.heads_folder()))
    return _beginning(names, incomplete)


def heads(context: typer.Context, incomplete: str) -> list[str]:
    """The versions of the heads of `--taste`, or of all tastes, newest first."""
    taste = context.params.get("taste")
    versions = {
        file.stem
        for file in paths.heads_folder().glob("*/*.safetensors")
        if taste in (None, file.parent.name)
    }
    matching = _beginning(versions, incomplete)
    return sorted(matching, key=lambda version: (len(version), version), reverse=True)


def models(incomplete: str) -> list[str]:
    """The names of the models."""
    from imgscore.embedders import catalogue, registry

    return _beginning([registry.BUILT_IN, *catalogue.UFORM], incomplete)


def downloads(incomplete: str) -> list[str]:
    """The names of the models that can be downloaded."""
    from imgscore.embedders import catalogue

    return _beginning(catalogue.UFORM, incomplete)


def _watches() -> "list[WatchConfig]":
    from imgscore import config

    try:
        return config.load().watch
    except ImgscoreError:
        return []


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete) and _SAFE.fullmatch(name))
