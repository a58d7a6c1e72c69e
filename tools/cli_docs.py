"""Writes docs/cli.md and the man pages from the command line itself: `make docs`, or
`python tools/cli_docs.py`. A test compares; nothing is written by hand in those files.

Needs the Typer that is installed with the dev extra: its objects are read as they are.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer
from imgscored.main import parser as daemon_parser

from imgscore import __version__
from imgscore.cli.main import load
from tools import response_docs

ROOT = Path(__file__).parent.parent
SUMMARY = "learns your taste in images and sorts your folders by it, through the file date"
EXIT_CODES = (
    ("0", "all went well"),
    ("1", "some items failed, or a check found a problem; the output names each of them"),
    ("2", "the command line is wrong"),
    ("3", "the config is wrong"),
    ("4", "the command needs a daemon or a display, and there is none"),
    ("5", "the store cannot be opened, read or written"),
)
NOTES = (
    "If a daemon runs, a command asks it. Otherwise the command works on the store itself. The "
    "result is the same.",
    "Results go to stdout, everything else to stderr. With --json, results and errors are JSON, "
    "one object per line; an error has the keys error and remedy.",
)
FILES = (
    ("$XDG_CONFIG_HOME/imgscore/config.toml", "the config; ~/.config where the variable is unset"),
    ("$XDG_DATA_HOME/imgscore/", "the store and the heads; ~/.local/share"),
    ("$XDG_CACHE_HOME/imgscore/", "the log of `imgscore start`; may be deleted; ~/.cache"),
    ("$XDG_RUNTIME_DIR/imgscore/control.sock", "the daemon's control socket"),
)


class Item(NamedTuple):
    """An argument or an option."""

    usage: str
    """as it stands in the usage line"""
    names: str
    """as it stands in the list"""
    help: str


class Verb(NamedTuple):
    """A verb, or a group of them (then without items)."""

    name: str
    help: str
    items: list[Item]
    response: Any = None
    """the type of the rows with --json"""


def verbs() -> list[Verb]:
    """Every verb in the order of --help, groups before what is in them."""
    return list(_walk(typer.main.get_command(load()), "imgscore"))


def _walk(command: Any, name: str) -> Iterator[Verb]:
    children = {}
    if hasattr(command, "commands"):
        children = {child: command.commands[child] for child in command.list_commands(None)}
    if name != "imgscore":
        items = [] if children else [_item(one) for one in command.params if not one.hidden]
        response = getattr(command.callback, "response", None)
        yield Verb(name, _joined(command.help or ""), items, response)
    for child, one in children.items():
        if not one.hidden:
            yield from _walk(one, f"{name} {child}")


def _joined(text: str) -> str:
    """Paragraphs, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))


def _item(one: Any) -> Item:
    several = "…" if one.nargs == -1 or one.multiple else ""
    default = "" if one.default in (None, False, "", []) else f" [default: {_shown(one.default)}]"
    text = " ".join((one.help or "").split()) + default
    if one.param_type_name == "argument":
        name = _choices(one) or (one.metavar or one.name.rstrip("_").upper()).strip("[]")
        usage = name + several
        return Item(usage if one.required else f"[{usage}]", usage, text)
    long = one.opts[-1]
    value = "" if one.is_flag else f" {_choices(one) or one.metavar or _value(one)}"
    both = "/".join([long, *one.secondary_opts])
    usage = f"[{both}{value}]{several}" if not one.required else f"{long}{value}"
    return Item(usage, ", ".join([*one.opts, *one.secondary_opts]) + value, text)


def _shown(default: Any) -> str:
    return "yes" if default is True else str(default)


def _choices(one: Any) -> str:
    return "|".join(getattr(one.type, "choices", ()))


def _value(one: Any) -> str:
    is_number = one.type.name.startswith(("int", "float"))
    return "N" if is_number else one.opts[-1].lstrip("-").replace("-", "_").upper()


def markdown(all_of_them: list[Verb]) -> str:
    """docs/cli.md."""
    lines = [
        "# The command line",
        "`make docs` generates this page from the program. The man pages `imgscore(1)` and",
        "`imgscored(1)` have the same content, and `imgscore VERB --help` shows a part of it.",
        "After `imgscore --install-completion`, your shell completes commands and options.",
        "",
        *(f"{note}\n" for note in NOTES),
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES),
    ]
    responses = {verb.name: verb.response for verb in all_of_them if verb.response is not None}
    shared = response_docs.shared_kinds(responses.values())
    for verb in all_of_them:
        depth = "##" if verb.name.count(" ") == 1 else "###"
        lines += ["", f"{depth} {verb.name}"]
        if verb.items:
            lines += [f"    {_usage(verb)}", ""]
        lines.append(verb.help)
        if verb.items:
            lines += ["", "| argument | what it does |", "|---|---|"]
            lines += [f"| `{_cell(one.names)}` | {_cell(one.help)} |" for one in verb.items]
        if verb.name in responses:
            lines += response_docs.tables(verb.response, shared)
    lines += ["", "## Objects in several results", "", "Several commands print these objects:"]
    lines += response_docs.shared_tables(shared)
    lines += ["", "## imgscored", f"    {_daemon_usage()}", "", _daemon_help()]
    lines += ["", "| argument | what it does |", "|---|---|"]
    lines += [f"| `{_cell(one.names)}` | {_cell(one.help)} |" for one in _daemon_items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _usage(verb: Verb) -> str:
    return " ".join([verb.name, *(one.usage for one in verb.items)])


def manual(all_of_them: list[Verb]) -> str:
    """man/imgscore.1."""
    lines = [
        *_head("imgscore", SUMMARY),
        ".SH SYNOPSIS",
        ".B imgscore",
        ".I VERB",
        _roff("[argument…]"),
        ".SH DESCRIPTION",
        _roff(
            "imgscore learns which images you like from the files that you move into keep/ and "
            "trash/. It sets the dates of the other files, so that a viewer that sorts by date "
            "shows first what you would keep."
        ),
    ]
    for note in NOTES:
        lines += [".PP", _roff(note)]
    lines.append(".SH VERBS")
    for verb in all_of_them:
        lines += [f".SS {_roff(verb.name)}"]
        if verb.items:
            lines += [f".B {_roff(_usage(verb))}", ".PP"]
        lines += _paragraphs(verb.help)
        lines += _listed((one.names, one.help) for one in verb.items)
    lines += [".SH EXIT STATUS", *_listed(EXIT_CODES), ".SH FILES", *_listed(FILES)]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR imgscored (1)"]) + "\n"


def daemon_manual() -> str:
    """man/imgscored.1."""
    lines = [
        *_head("imgscored", "the daemon of imgscore"),
        ".SH SYNOPSIS",
        f".B {_roff(_daemon_usage())}",
        ".SH DESCRIPTION",
        _roff(_daemon_help()),
        ".PP",
        _roff(
            "It runs in the foreground and logs to stderr. Only one instance can use a store. "
            "SIGTERM and SIGINT end it after the current transaction. SIGHUP makes it read the "
            "config again. `imgscore start` runs it in the background, and `imgscore service "
            "install` runs it as a systemd user service."
        ),
        ".SH OPTIONS",
        *_listed((one.names, one.help) for one in _daemon_items()),
        ".SH EXIT STATUS",
        *_listed(code for code in EXIT_CODES if code[0] in "035"),
        ".SH FILES",
        *_listed(FILES),
    ]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR imgscore (1)"]) + "\n"


def _head(name: str, summary: str) -> list[str]:
    return [
        '.\\" Made from the program by `make docs`.',
        f'.TH {name.upper()} 1 "" "imgscore {__version__}"',
        ".SH NAME",
        f"{name} \\- {_roff(summary)}",
    ]


def _listed(rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = []
    for name, text in rows:
        lines += [".TP", f".B {_roff(name)}", _roff(text)]
    return lines


def _paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for part in text.split("\n\n"):
        lines += [*([".PP"] if lines else []), _roff(part)]
    return lines


def _roff(text: str) -> str:
    """Text as it is: no escapes, no requests, and a hyphen that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    text = text.replace('"', "\\(dq").replace("'", "\\(aq").replace("~", "\\(ti")
    text = text.replace("^", "\\(ha")
    return f"\\&{text}" if text.startswith(".") else text


def _daemon_usage() -> str:
    return " ".join(daemon_parser().format_usage().removeprefix("usage: ").split())


def _daemon_help() -> str:
    return daemon_parser().description or ""


def _daemon_items() -> list[Item]:
    return [
        Item("", ", ".join(action.option_strings), action.help or "")
        for action in daemon_parser()._actions
        if action.help != argparse.SUPPRESS
    ]


def pages() -> dict[Path, str]:
    """Every generated file and what belongs in it."""
    found = verbs()
    return {
        ROOT / "docs" / "cli.md": markdown(found),
        ROOT / "man" / "imgscore.1": manual(found),
        ROOT / "man" / "imgscored.1": daemon_manual(),
    }


def main() -> None:
    """Write what is not as it should be, or, with --check, only say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    check = parser.parse_args().check
    stale = {
        path: text
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)} {'is stale: make docs' if check else 'written'}")
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
