"""The file config.toml: its schema, defaults, checks and errors.

docs/config.md is generated from the schema. This module only reads files: config_edit.py changes
config.toml.
"""

import os
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from imgscore import paths
from imgscore.errors import ConfigError

MAX_SECONDS = 31_536_000
"""The largest number of seconds that a setting may have: one year. With larger values, some timers
of the system overflow."""

UseFilename = bool | Literal["auto"]
Direction = Literal["best-newest", "worst-newest"]
Groups = Literal["together", "best-on-top", "off"]
TASTE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$(?!\n)"
TasteName = Annotated[str, msgspec.Meta(pattern=TASTE_PATTERN)]

Words = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]], msgspec.Meta(max_length=100)
]


MAX_LINKS = 100_000
"""The largest number of images in a folder of links."""
Top = Annotated[int, msgspec.Meta(ge=1, le=MAX_LINKS)]
PerGroup = Annotated[int, msgspec.Meta(ge=0, le=MAX_LINKS)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

Stars = Literal["-1", "1", "2", "3", "4", "5"]


class WatchConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A `[[watch]]` table: an ordered inbox, and the folders of its labelled images."""

    inbox: str
    """the folder to sort, with all its subfolders; all files in it have one common order"""
    keep: str | list[str] = "keep"
    """the folder of images labelled keep, or a list; absolute paths, or relative to the inbox"""
    trash: str | list[str] = "trash"
    """the folder of images labelled trash, or a list; absolute paths, or relative to the inbox"""
    grades: dict[Stars, str | list[str]] = {}
    """folders of images with stars: the stars (-1, 1 to 5) and a folder or a list, such as
    { "4" = "good", "3" = ["maybe", "later"] }; -1 is the same as trash"""
    taste: TasteName = "default"
    """inboxes with the same taste share their labels; use letters, digits, "_", "-" and "." """
    order: Direction = "best-newest"
    """whether the best or the worst image gets the newest date"""
    groups: Groups = "together"
    """the place of a group of similar images (a burst, near-duplicates, copies) in the order:
    together, the best image first; or best-on-top: the other images come after all images that
    are more likely keep; or off: each image stands where its own score puts it"""
    like: Words = []
    """words for images that you like, such as "night sky", for an order before the first label; the
    model needs a text encoder"""
    dislike: Words = []
    """words for images that you dislike, such as "screenshot of a chat" """
    ratings: bool = False
    """whether the ratings of other programs (stars in files, in .xmp sidecars and in extended
    attributes) are labels, too; imgscore follows their changes"""
    siblings: bool = True
    """whether a RAW, a JPEG and sidecars (.xmp, .json …) with the same name share one date and one
    label"""
    xdg_trash: bool = False
    """whether an image that you move to the desktop's trash is labelled trash"""


class LinksConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A `[[links]]` table: a folder of links to the best images, which the daemon keeps up to date.

    `imgscore links --watch` writes it.
    """

    folder: str
    """the folder of links, as an absolute path; see docs/links.md"""
    top: Top = 500
    """the largest number of images"""
    per_group: PerGroup = 0
    """the largest number of images of one group of similar images; 0 means all"""
    min_score: Share = 0.0
    """the smallest score of an image, or the smallest grade if it has a label"""
    rank_prefix: bool = False
    """whether each name begins with the rank of the image, such as "0001 name.jpg" """
    kind: Literal["link", "copy"] = "link"
    """symbolic links, or copies (for memory cards and other disks)"""
    taste: TasteName = "default"
    """the taste whose images are chosen"""


class DaemonConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The `[daemon]` table: times and limits of the background work. All times are in seconds."""

    settle: Annotated[float, msgspec.Meta(ge=0.05, le=60)] = 0.3
    """seconds for which a new file must stay unchanged before it is read"""
    incomplete: Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)] = 300.0
    """seconds for which an image whose end is missing must stay unchanged; then imgscore decodes it
    if nearly all rows are there, and otherwise reports it as damaged"""
    rescan: Annotated[float, msgspec.Meta(ge=10, le=MAX_SECONDS)] = 3600.0
    """seconds between two comparisons of the disk with the store, in case events were lost"""
    poll: Annotated[float, msgspec.Meta(ge=1, le=MAX_SECONDS)] = 60.0
    """the same as rescan, but for folders without kernel events (network and FUSE file systems)"""
    worker_idle: Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)] = 60.0
    """seconds after which an idle worker ends and frees its memory"""
    workers: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    """number of worker processes that embed images; 0 means one for each usable CPU"""
    train_after: Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)] = 0.3
    """seconds without a new label before training; this wait grows with the number of labels"""
    order_from_keeps: bool = True
    """whether the first image in keep/ already makes an order, by similarity to it; otherwise the
    first order needs two images in keep/ and two in trash/"""
    file_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60
    """seconds after which decoding or embedding a file is stopped and reported as failed"""
    on_battery: Literal["wait", "work"] = "wait"
    """whether embedding and training wait while the computer runs on battery or the power saver is
    on"""
    free_mb: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 200
    """if less disk space than this is free (MB), the daemon pauses and reports the problem"""
    backup: Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)] = 86_400.0
    """seconds between two backups of the store, if it has changed; 0 means no backups"""
    backups_kept: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3
    """number of backups that are kept"""


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All settings of config.toml."""

    watch: list[WatchConfig] = []
    links: list[LinksConfig] = []
    model: str = "efficientnet-lite0"
    """the model: a name from `imgscore model list`, or the folder of a model"""
    device: str = "auto"
    """the device that runs the model: "auto", "cpu", "cuda" or another onnxruntime provider"""
    batch: Annotated[int, msgspec.Meta(ge=1, le=4096)] | Literal["auto"] = "auto"
    """number of images that an accelerator computes together; "auto" finds the number that fits"""
    head: Literal["auto", "kernel", "mlp"] = "auto"
    """the kind of head (the part that scores); auto chooses kernel; mlp, the
    original recipe, needs imgscore[torch] and half a second of CPU time for each label"""
    use_filename: UseFilename = "auto"
    """whether imgscore also learns from file names: "auto" if similar names of files and subfolders
    belong to similar images, true always, false never"""
    dry_run: bool = False
    """whether to plan all changes of dates, without making them"""
    notifications: Literal["off", "important", "all"] = "important"
    """desktop notifications: all (also after a training), only important problems, or off"""
    daemon: DaemonConfig = msgspec.field(default_factory=DaemonConfig)


REMEDIES = {
    "watch": "write [[watch]], with two brackets on each side, above each inbox",
    "links": "write [[links]], with two brackets on each side, above each folder of links",
    "folder": 'give an absolute path, for example folder = "~/Pictures/best"',
    "daemon": "write [daemon], with one bracket on each side, above its settings",
    "inbox": 'give a folder, for example inbox = "~/Pictures/inbox"',
    "keep": "give a folder or a list of folders, or leave it out for INBOX/keep",
    "trash": "give a folder or a list of folders, or leave it out for INBOX/trash",
    "grades": 'give stars and folders, for example grades = { "4" = "good", "2" = "poor" }; stars: '
    "-1 or 1 to 5",
    "batch": 'write a whole number from 1 to 4096, without quotes, or "auto"',
    "taste": "use letters, digits, '_', '-' and '.', at most 64",
}
"""The remedies for wrong values, by the name of the setting. If a setting is not in this dict, its
remedy is made from its type."""


def load(path: Path | None = None) -> Config:
    """Read and check the config file `path`. If `path` is None, read the user's config.toml.

    Raises ConfigError if the config is invalid, or if there is no such file.
    """
    path = path or paths.config_file()
    text = read(path)
    if text is None:
        raise ConfigError(
            f"{path}: there is no config yet", "create the config: imgscore init INBOX"
        )
    return parse(text, source=str(path))


def read(path: Path) -> str | None:
    """Return the text of a config file. The text is not checked. Return None if there is no such
    file.

    Raises ConfigError if the file cannot be read.
    """
    try:
        _check_owner(path)
        return path.read_bytes().decode("utf-8")  # Path.read_text would replace CRLF by LF.
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {error}", "correct the file or its permissions"
        ) from None


def _check_owner(path: Path) -> None:
    """Check that no other user can change a config file, because it says which files change.

    Raises ConfigError if another user owns the file, or if all users can write to it or replace it.
    """
    status, folder = path.stat(), path.parent.stat()
    if status.st_uid not in (os.getuid(), 0):
        raise ConfigError(
            f"{path}: the file belongs to another user ({status.st_uid})",
            "replace it by a copy of your own",
        )
    if status.st_mode & stat.S_IWOTH:
        raise ConfigError(
            f"{path}: all users can write to this file (mode {stat.S_IMODE(status.st_mode):04o})",
            f"withdraw the permission: chmod go-w '{path}'",
        )
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        raise ConfigError(
            f"{path.parent}: all users can replace the config in this folder "
            f"(mode {stat.S_IMODE(folder.st_mode):04o})",
            f"withdraw the permission: chmod go-w '{path.parent}'",
        )


def parse(text: str, source: str = "config.toml") -> Config:
    """Check the text of a config, and return the settings.

    Raises ConfigError if the text is invalid. The error message names `source`, the wrong key and
    its value.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{source}: the file is not valid TOML: {error}", "correct that line of the file"
        ) from None
    except RecursionError:
        raise ConfigError(
            f"{source}: the file contains a value that is nested too deeply",
            "write only the settings that docs/config.md describes",
        ) from None
    try:
        config = msgspec.convert(tree, Config)
    except msgspec.ValidationError:
        raise next(_problems(tree, Config, f"{source}: ")) from None
    for number, watch in enumerate(config.watch):
        named = [(key, key, getattr(watch, key)) for key in ("inbox", "keep", "trash")]
        named += [("grades", f"grades.{stars}", value) for stars, value in watch.grades.items()]
        for key, name, value in named:
            for folder in value if isinstance(value, list) else [value]:
                if not folder.strip() or "\0" in folder:
                    raise ConfigError(
                        f"{source}: watch[{number}].{name} = {folder!r}: not a folder",
                        REMEDIES[key],
                    )
        if not watch.inbox.startswith(("/", "~")):
            raise ConfigError(
                f"{source}: watch[{number}].inbox = {watch.inbox!r}: not an absolute path",
                REMEDIES["inbox"],
            )
    for number, links in enumerate(config.links):
        if not links.folder.startswith(("/", "~")) or "\0" in links.folder:
            raise ConfigError(
                f"{source}: links[{number}].folder = {links.folder!r}: not an absolute path",
                REMEDIES["folder"],
            )
    return config


def _problems(
    tree: dict[str, Any], kind: type[msgspec.Struct], where: str
) -> Iterator[ConfigError]:
    """Check a table of the config. Yield an error for each setting that the schema `kind` does not
    allow.

    `where`: the beginning of each message, with the file and the table.
    """
    for name in tree:
        if name not in kind.__struct_fields__:
            yield ConfigError(
                f"{where}{name}: there is no such setting",
                _nearest(name, kind.__struct_fields__)
                or "take this setting out; to list the settings: imgscore config show",
            )
    for field in msgspec.structs.fields(kind):
        name = field.name
        match name, tree.get(name):
            case _, None:
                if field.required:
                    yield ConfigError(
                        f"{where}{name} is missing", REMEDIES.get(name, "add this setting")
                    )
            case "watch", [{}, *_] as watches if all(isinstance(watch, dict) for watch in watches):
                for number, watch in enumerate(watches):
                    yield from _problems(watch, WatchConfig, f"{where}watch[{number}].")
            case "links", [{}, *_] as tables if all(isinstance(table, dict) for table in tables):
                for number, table in enumerate(tables):
                    yield from _problems(table, LinksConfig, f"{where}links[{number}].")
            case "daemon", {} as daemon:
                yield from _problems(daemon, DaemonConfig, f"{where}daemon.")
            case _, value:
                try:
                    msgspec.convert(value, field.type)
                except msgspec.ValidationError:
                    yield ConfigError(
                        f"{where}{name} = {value!r} is not allowed",
                        REMEDIES.get(name) or f"write {_allowed(field.type)}",
                    )


def _allowed(kind: Any) -> str:
    """Return a description in words of the values that a type allows."""
    from msgspec import inspect as schema

    match schema.type_info(kind):
        case schema.BoolType():
            return "true or false, without quotes"
        case schema.IntType(ge=low, le=high):
            return f"a whole number, without quotes{_limits(low, high)}"
        case schema.FloatType(ge=low, le=high):
            return f"a number, without quotes{_limits(low, high)}"
        case schema.LiteralType(values=values):
            quoted = [f'"{value}"' for value in values]
            return f"{', '.join(quoted[:-1])} or {quoted[-1]}"
        case _:
            return "text in quotes"


def _limits(low: float | None, high: float | None) -> str:
    """Return the range from `low` to `high` in words, as the end of a sentence."""
    if low is None:
        return ""
    return f", at least {low:g}" if high is None else f", from {low:g} to {high:.12g}"


def _nearest(name: str, names: tuple[str, ...]) -> str | None:
    """Return the remedy for a misspelled name: a question with the most similar of `names`.

    Return None if no name is similar.
    """
    from difflib import get_close_matches

    matches = get_close_matches(name, names, n=1)
    return f"did you mean {matches[0]}?" if matches else None


def expand(folder: str, inside: str | None = None) -> bytes:
    """Return a folder of the config as an absolute path in bytes, without symbolic links.

    `inside`: the folder that contains a relative path; None means "/". Raises ConfigError if the
    path starts with ~NAME and there is no user NAME.
    """
    try:
        path = Path(folder).expanduser()
    except RuntimeError:
        raise ConfigError(
            f"{folder}: there is no such user", "give the folder's absolute path"
        ) from None
    return os.fsencode(os.path.realpath(Path(inside or "/") / path))
