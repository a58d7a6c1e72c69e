"""Labels and scores the selected files in Nautilus (GNOME), Nemo (Cinnamon) and Dolphin (KDE).

`install` adds the entries keep, trash, clear and score to the menus. Each entry runs this file.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import imgscore

ACTIONS = {
    "keep": ("Label keep", "emblem-favorite"),
    "trash": ("Label trash", "edit-delete"),
    "clear": ("Clear the label", "edit-clear"),
    "score": ("Show the score", "view-sort-descending"),
}
"""The text and the icon of each menu entry."""
MAX_LINES = 10  # the largest number of files in one notification
SELECTED = ("NAUTILUS_SCRIPT_SELECTED_URIS", "NEMO_SCRIPT_SELECTED_URIS")
"""The variables with the selected files, one URI per line. In a URI, a line break is escaped."""
MANAGERS = ("nautilus", "nemo", "dolphin")


def selected(arguments: list[str]) -> list[bytes]:
    """Return the paths of the selected files, from the file manager or the command line."""
    for name in SELECTED:
        uris = os.environ.get(name, "").splitlines()
        parts = [urllib.parse.urlsplit(uri) for uri in uris]
        paths = [urllib.parse.unquote_to_bytes(part.path) for part in parts if is_local(part)]
        if paths:
            return paths
    return [os.path.abspath(os.fsencode(file)) for file in arguments]


def is_local(uri: urllib.parse.SplitResult) -> bool:
    """Return whether a URI names a local file: other places have no path."""
    return uri.scheme == "file" and uri.netloc in ("", "localhost")


def act(action: str, files: list[bytes]) -> tuple[int, str]:
    """Label or score the files. Return the number that failed, and a text for the user."""
    with imgscore.open() as library:
        if action == "score":
            scored = list(library.score(files))
            scored.sort(key=lambda row: -1.0 if row.score is None else row.score, reverse=True)
            rows = [(row.path, row.error, row.label, row.score) for row in scored]
        else:
            labelled = library.label(files, action)
            rows = [(row.path, row.error, row.label or "no label", None) for row in labelled]
    lines = [line for row in rows[:MAX_LINES] for line in describe(*row)]
    if len(rows) > MAX_LINES:
        lines.append(f"… and {len(rows) - MAX_LINES} more")
    return sum(error is not None for _, error, _, _ in rows), "\n".join(lines)


def describe(path: str, error: str | None, label: str | None, score: float | None) -> Iterator[str]:
    """Yield a line about a file. Control characters and other odd characters are escaped."""
    name = "".join(c if c.isprintable() else repr(c)[1:-1] for c in os.path.basename(path))
    if error is not None:
        yield f"{name}: {error}"
    else:
        known = [f"{score:.2f}"] if score is not None else []
        yield f"{name}: {', '.join([*known, *([label] if label else [])]) or 'no score yet'}"


def notify(text: str) -> None:
    """Show a notification. Without notify-send, print the text."""
    command = shutil.which("notify-send")
    if command is None:
        print(text)
        return
    escaped = text.replace("&", "&amp;").replace(
        "<", "&lt;"
    )  # the text of a notification is markup
    subprocess.run([command, "--app-name=imgscore", "imgscore", escaped], check=False)


def entries(manager: str) -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each file that adds the entries to a file manager."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    command = [sys.executable, os.path.abspath(__file__)]
    if manager != "dolphin":
        for action, (title, _) in ACTIONS.items():
            line = f'#!/bin/sh\nexec {shlex.join([*command, action])} "$@"\n'
            yield data / manager / "scripts/imgscore" / title, line
        return
    program = " ".join(desktop_quote(word) for word in command)
    text = "[Desktop Entry]\nType=Service\nX-KDE-ServiceTypes=KonqPopupMenu/Plugin\n"
    text += f"MimeType=image/*;\nX-KDE-Submenu=imgscore\nActions={';'.join(ACTIONS)};\n"
    for action, (title, icon) in ACTIONS.items():
        text += f"\n[Desktop Action {action}]\nName={title}\nIcon={icon}\n"
        text += f"Exec={program} {action} %F\n"
    yield data / "kio/servicemenus/imgscore.desktop", text


def desktop_quote(word: str) -> str:
    """Quote an argument of `Exec`: first as an argument, then as a string of a desktop file."""
    quoted = "".join(f"\\{c}" if c in '"`$\\' else c for c in word).replace("%", "%%")
    return '"' + quoted.replace("\\", "\\\\") + '"'


def install(managers: list[str]) -> None:
    """Write the files of the menu entries, with the right to execute them."""
    for manager in managers or [name for name in MANAGERS if shutil.which(name)]:
        for path, text in entries(manager):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
            print(path)


def main() -> int:
    """Run one action. The exit code is 1 if some files failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("install", *ACTIONS))
    parser.add_argument("names", nargs="*", help="files; for install: nautilus, nemo or dolphin")
    given = parser.parse_args()
    if given.action == "install":
        install(given.names)
        return 0
    try:
        failed, text = act(given.action, selected(given.names))
    except imgscore.errors.ImgscoreError as error:
        failed, text = 1, f"{error}: {error.remedy}"
    notify(text)
    return min(1, failed)


if __name__ == "__main__":
    sys.exit(main())
