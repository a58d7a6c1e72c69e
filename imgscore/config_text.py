"""Changes to config.toml that leave every other byte of it as the user wrote it."""

import json
import re
from pathlib import Path

from imgscore import config
from imgscore.errors import ConfigError

_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)


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


def write(path: Path, text: str) -> None:
    """The whole file or the old one: never half a config."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".toml.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
