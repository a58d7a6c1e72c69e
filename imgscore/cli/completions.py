"""What the shell offers on TAB: inboxes, tastes, heads and models. Reads only, and never complains.

Every verb imports this file, and few calls complete: what is read is imported then.

A name that a shell would have to quote is left to the shell's own completion of files: completion
scripts put what we say into a command line, or even evaluate it.
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
    """The watched inboxes, written as the user began to: from `~/` or from the root."""
    from imgscore import config

    home = f"{Path.home()}/"
    found = []
    for watch in _watches():
        inbox = os.fsdecode(config.expand(watch.inbox))
        if incomplete.startswith("~/") and inbox.startswith(home):
            inbox = f"~/{inbox.removeprefix(home)}"
        found.append(inbox)
    return _beginning(found, incomplete)


def tastes(incomplete: str) -> list[str]:
    """The tastes of the config, and those that have a head."""
    known = {"default", *(watch.taste for watch in _watches())}
    if paths.heads_folder().is_dir():
        known |= set(os.listdir(paths.heads_folder()))
    return _beginning(known, incomplete)


def heads(context: typer.Context, incomplete: str) -> list[str]:
    """The versions of the heads of `--taste`, or of every taste, the newest first."""
    taste = context.params.get("taste")
    found = {
        file.stem
        for file in paths.heads_folder().glob("*/*.safetensors")
        if taste in (None, file.parent.name)
    }
    newest_first = sorted(found, key=lambda version: (len(version), version), reverse=True)
    return [one for one in newest_first if one in _beginning(found, incomplete)]


def models(incomplete: str) -> list[str]:
    """The models that have a name."""
    from imgscore.embedders import catalogue, registry

    return _beginning([registry.BUILT_IN, *catalogue.UFORM], incomplete)


def downloads(incomplete: str) -> list[str]:
    """The models that can be downloaded."""
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
