"""Changes to config.toml that leave every other byte of it as the user wrote it."""

import json
import re
from pathlib import Path

from imgscore import config
from imgscore.errors import ConfigError

_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)
_WATCH = re.compile(r"^[ \t]*\[\[[ \t]*watch[ \t]*\]\].*\n?", re.MULTILINE)


def with_text_setting(text: str, key: str, value: str) -> str:
    """The config's text with the top-level `key` set to a string. Raises ConfigError."""
    table = _TABLE.search(text)
    top = table.start() if table else len(text)
    # JSON's string escapes are TOML's.
    written = json.dumps(value, ensure_ascii=False)
    line = re.compile(rf"^([ \t]*{key}[ \t]*=[ \t]*)(\"[^\"\n]*\"|'[^'\n]*')", re.MULTILINE)
    head, found = line.subn(lambda match: match[1] + written, text[:top], count=1)
    if not found:
        head = f"{key} = {written}\n" + head
    changed = head + text[top:]
    if getattr(config.parse(changed), key) != value:
        raise ConfigError(
            f"config.toml: {key} could not be set", f"write it yourself: {key} = {written}"
        )
    return changed


def with_watch_switch(text: str, number: int, key: str, *, on: bool) -> str:
    """The config's text with `key` of its watch `number`, from 0, on or off. Raises ConfigError."""
    heads = list(_WATCH.finditer(text))
    written, changed = "true" if on else "false", ""
    if number < len(heads):
        start = heads[number].end()
        table = _TABLE.search(text, start)
        end = table.start() if table else len(text)
        line = re.compile(rf"^([ \t]*{key}[ \t]*=[ \t]*)(true|false)", re.MULTILINE)
        body, found = line.subn(lambda match: match[1] + written, text[start:end], count=1)
        if not found:
            body = f"{key} = {written}\n" + body
        head = text[:start] if text[:start].endswith("\n") else text[:start] + "\n"
        changed = head + body + text[end:]
    # The text may be TOML in a way that is not looked for here, such as watch = [{…}].
    if not changed or getattr(config.parse(changed).watch[number], key) != on:
        raise ConfigError(
            f"config.toml: {key} could not be set", f"write it yourself: {key} = {written}"
        )
    return changed


def write(path: Path, text: str) -> None:
    """The whole file or the old one: never half a config. Raises ConfigError."""
    part = path.with_suffix(".toml.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror}", "mend that folder's permissions"
        ) from None
