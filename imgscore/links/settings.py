"""The folders of links of the config, which the daemon keeps up to date."""

import os
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from imgscore.config import Config, LinksConfig, PerGroup, Share, Top, expand
from imgscore.errors import ConfigError, ImgscoreError
from imgscore.links import place
from imgscore.links.manifest import Kind
from imgscore.links.update import Options
from imgscore.watch_folders import same_folder, within
from imgscore.watches import Watches


class LinkFolder(msgspec.Struct, frozen=True):
    """A `[[links]]` table of the config. `folder`: the absolute path without symbolic links."""

    folder: bytes
    taste: str
    top: Top
    per_group: PerGroup
    min_score: Share
    kind: Kind
    rank_prefix: bool

    @property
    def options(self) -> Options:
        """The options of the files in the folder."""
        return Options(self.kind, self.rank_prefix, self.top)


def folders_of(config: Config, watches: Watches) -> tuple[LinkFolder, ...]:
    """Return the folders of links of a config. `watches`: its watches.

    Raises ConfigError if no links may be made in one of the folders.
    """
    found = tuple(map(_folder_of, config.links))
    for number, links in enumerate(found):
        name = f"links[{number}].folder = {os.fsdecode(links.folder)}"
        place.check(links.folder, name, watches)
        for other in found[:number]:
            twice = same_folder((links.folder, other.folder)) is not None
            if twice or within(links.folder, other.folder) or within(other.folder, links.folder):
                raise ConfigError(
                    f"{name} and {os.fsdecode(other.folder)} are in one another",
                    "use a different folder for each [[links]]",
                )
    return found


def existing(config: Config) -> Iterator[bytes]:
    """Yield the folders of links of a config that exist. A folder with an error is left out."""
    for links in config.links:
        with suppress(ImgscoreError):
            folder = expand(links.folder)
            if os.path.isdir(folder):
                yield folder


def _folder_of(config: LinksConfig) -> LinkFolder:
    return LinkFolder(
        expand(config.folder),
        config.taste,
        config.top,
        config.per_group,
        config.min_score,
        config.kind,
        config.rank_prefix,
    )
