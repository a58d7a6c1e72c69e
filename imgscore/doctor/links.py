"""The check of the folders of links of the config."""

import os
from collections.abc import Iterator

from imgscore.config import Config
from imgscore.doctor.finding import Finding
from imgscore.links.settings import folders_of
from imgscore.system.system_folders import is_links_folder
from imgscore.watches import Watches


def link_folders(settings: Config, watches: Watches) -> Iterator[Finding]:
    """Check each folder of links, and count its broken links.

    Raises ConfigError if a folder must not be a folder of links.
    """
    for links in folders_of(settings, watches):
        name = os.fsdecode(links.folder)
        again = f"imgscore links '{name}'"
        if not os.path.isdir(links.folder):
            detail, remedy = f"{name} is missing", f"make it again: {again}"
        elif not os.access(links.folder, os.W_OK | os.X_OK):
            detail, remedy = f"{name} cannot be written", "check the permissions of the folder"
        elif not is_links_folder(links.folder):
            detail, remedy = f"{name} contains no links of imgscore yet", f"make them: {again}"
        elif broken := _broken(links.folder):
            detail = f"{name} contains {broken} links to images that are not there"
            remedy = f"mount the disk of the images, or bring the folder up to date: {again}"
            yield Finding("links", "warning", detail, remedy)
            continue
        else:
            yield Finding("links", "ok", name)
            continue
        yield Finding("links", "problem", detail, remedy)


def _broken(folder: bytes) -> int:
    with os.scandir(folder) as entries:
        return sum(entry.is_symlink() and not os.path.exists(entry.path) for entry in entries)
