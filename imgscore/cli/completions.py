"""Completions for the shell: inboxes, tastes, heads and models.

These functions write nothing. If the config has an error, they ignore the error.

Every command imports this file, but the functions are called only for completions. Each function
therefore imports the modules that it needs.

Names with characters that a shell must quote are left out. The completion scripts of shells paste
a name into the command line without quotes, and some scripts evaluate the name as code.
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
    """Return the watched inboxes. They start with `~/` if `incomplete` starts with `~/`."""
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
    """Return the tastes that are in the config or have a head."""
    names = {"default", *(watch.taste for watch in _watches())}
    if paths.heads_folder().is_dir():
        names |= set(os.listdir(paths.heads_folder()))
    return _beginning(names, incomplete)


def heads(context: typer.Context, incomplete: str) -> list[str]:
    """Return the versions of the heads of the taste in the option `--taste`, newest first.

    Without this option, return the versions of the heads of all tastes.
    """
    taste = context.params.get("taste")
    versions = {
        file.stem
        for file in paths.heads_folder().glob("*/*.safetensors")
        if taste in (None, file.parent.name)
    }
    matching = _beginning(versions, incomplete)
    return sorted(matching, key=lambda version: (len(version), version), reverse=True)


def models(incomplete: str) -> list[str]:
    """Return the names of the models."""
    from imgscore.embedders import catalogue, registry

    names = [registry.BUILT_IN, *catalogue.UFORM, *registry.downloaded()]
    return _beginning(names, incomplete)


def downloads(incomplete: str) -> list[str]:
    """Return the names of the models that can be downloaded."""
    from imgscore.embedders import catalogue

    return _beginning(catalogue.UFORM, incomplete)


def group_kinds(incomplete: str) -> list[str]:
    """Return the kinds of groups."""
    from imgscore.verbs.groups import KINDS

    return _beginning(KINDS, incomplete)


def _watches() -> "list[WatchConfig]":
    from imgscore import config

    try:
        return config.load().watch
    except ImgscoreError:
        return []


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete) and _SAFE.fullmatch(name))
