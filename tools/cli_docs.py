"""Generates docs/cli.md, the man pages and the completions from the CLI: `make docs`.

A test checks that the files are up to date, so never edit them by hand. The tool reads Typer's
internal objects and needs the version of the dev extra.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer
from imgscored.main import parser as daemon_parser
from typer._completion_shared import get_completion_script

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
    ("130", "you pressed Ctrl-C"),
)
NOTES = (
    "If a daemon runs, the command sends its request to the daemon. Otherwise the command reads "
    "and writes the store itself. The result is the same.",
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
    """for the usage line"""
    names: str
    """for the list of arguments"""
    help: str


class Verb(NamedTuple):
    """A verb, or a group of verbs; a group has no items."""

    name: str
    help: str
    items: list[Item]
    response: Any = None
    """the type of the rows with --json"""


def verbs() -> list[Verb]:
    """All verbs in the order of --help; a group comes before its verbs."""
    return list(_walk(typer.main.get_command(load()), "imgscore"))


def _walk(command: Any, name: str) -> Iterator[Verb]:
    children = {}
    if hasattr(command, "commands"):
        children = {child: command.commands[child] for child in command.list_commands(None)}
    if name != "imgscore":
        params = [] if children else [param for param in command.params if not param.hidden]
        response = getattr(command.callback, "response", None)
        items = [_make_item(param) for param in params]
        yield Verb(name, _join_lines(command.help or ""), items, response)
    for child_name, child in children.items():
        if not child.hidden:
            yield from _walk(child, f"{name} {child_name}")


def _join_lines(text: str) -> str:
    """The text with each paragraph on one line."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))


def _make_item(param: Any) -> Item:
    repeated = "…" if param.nargs == -1 or param.multiple else ""
    default = param.default
    suffix = "" if default in (None, False, "", []) else f" [default: {_format_default(default)}]"
    text = " ".join((param.help or "").split()) + suffix
    if param.param_type_name == "argument":
        name = _choices(param) or (param.metavar or param.name.rstrip("_").upper()).strip("[]")
        usage = name + repeated
        return Item(usage if param.required else f"[{usage}]", usage, text)
    long = param.opts[-1]
    value = "" if param.is_flag else f" {_choices(param) or param.metavar or _placeholder(param)}"
    names = "/".join([long, *param.secondary_opts])
    usage = f"[{names}{value}]{repeated}" if not param.required else f"{long}{value}"
    return Item(usage, ", ".join([*param.opts, *param.secondary_opts]) + value, text)


def _format_default(default: Any) -> str:
    return "yes" if default is True else str(default)


def _choices(param: Any) -> str:
    return "|".join(getattr(param.type, "choices", ()))


def _placeholder(param: Any) -> str:
    is_number = param.type.name.startswith(("int", "float"))
    return "N" if is_number else param.opts[-1].lstrip("-").replace("-", "_").upper()


def format_markdown(all_verbs: list[Verb]) -> str:
    """The text of docs/cli.md."""
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
    responses = {verb.name: verb.response for verb in all_verbs if verb.response is not None}
    shared = response_docs.shared_kinds(responses.values())
    for verb in all_verbs:
        depth = "##" if verb.name.count(" ") == 1 else "###"
        lines += ["", f"{depth} {verb.name}"]
        if verb.items:
            lines += [f"    {_usage(verb)}", ""]
        lines.append(verb.help)
        if verb.items:
            lines += ["", "| argument | what it does |", "|---|---|"]
            lines += _table_rows(verb.items)
        if verb.name in responses:
            lines += response_docs.tables(verb.response, shared)
            schema = f"schemas/{schema_name(verb.name)}.json"
            lines += ["", f"JSON Schema of a line: [{schema}]({schema})"]
    lines += ["", "## Objects in several results", "", "Several commands print these objects:"]
    lines += response_docs.shared_tables(shared)
    lines += ["", "## imgscored", f"    {_daemon_usage()}", "", _daemon_help()]
    lines += ["", "| argument | what it does |", "|---|---|", *_table_rows(_daemon_items())]
    return "\n".join(lines) + "\n"


def _table_rows(items: list[Item]) -> list[str]:
    return [f"| `{_escape_cell(item.names)}` | {_escape_cell(item.help)} |" for item in items]


def _escape_cell(text: str) -> str:
    return text.replace("|", "\\|")


def _usage(verb: Verb) -> str:
    return " ".join([verb.name, *(item.usage for item in verb.items)])


def format_manual(all_verbs: list[Verb]) -> str:
    """The text of man/imgscore.1."""
    lines = [
        *_header("imgscore", SUMMARY),
        ".SH SYNOPSIS",
        ".B imgscore",
        ".I VERB",
        _escape_roff("[argument…]"),
        ".SH DESCRIPTION",
        _escape_roff(
            "imgscore learns which images you like from the files that you move into keep/ and "
            "trash/. It sets the dates of the other files, so that a viewer that sorts by date "
            "shows first what you would keep."
        ),
    ]
    for note in NOTES:
        lines += [".PP", _escape_roff(note)]
    lines.append(".SH VERBS")
    for verb in all_verbs:
        lines += [f".SS {_escape_roff(verb.name)}"]
        if verb.items:
            lines += [f".B {_escape_roff(_usage(verb))}", ".PP"]
        lines += _paragraphs(verb.help)
        lines += _definitions((item.names, item.help) for item in verb.items)
    lines += [".SH EXIT STATUS", *_definitions(EXIT_CODES), ".SH FILES", *_definitions(FILES)]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR imgscored (1)"]) + "\n"


def format_daemon_manual() -> str:
    """The text of man/imgscored.1."""
    lines = [
        *_header("imgscored", "the daemon of imgscore"),
        ".SH SYNOPSIS",
        f".B {_escape_roff(_daemon_usage())}",
        ".SH DESCRIPTION",
        _escape_roff(_daemon_help()),
        ".PP",
        _escape_roff(
            "It runs in the foreground and logs to stderr. Only one instance can use a store. "
            "SIGTERM and SIGINT end it after the current transaction. SIGHUP makes it read the "
            "config again. `imgscore start` runs it in the background, and `imgscore service "
            "install` runs it as a systemd user service."
        ),
        ".SH OPTIONS",
        *_definitions((item.names, item.help) for item in _daemon_items()),
        ".SH EXIT STATUS",
        *_definitions(code for code in EXIT_CODES if code[0] in {"0", "2", "3", "5"}),
        ".SH FILES",
        *_definitions(FILES),
    ]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR imgscore (1)"]) + "\n"


def _header(name: str, summary: str) -> list[str]:
    return [
        '.\\" Made from the program by `make docs`.',
        f'.TH {name.upper()} 1 "" "imgscore {__version__}"',
        ".SH NAME",
        f"{name} \\- {_escape_roff(summary)}",
    ]


def _definitions(rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = []
    for name, text in rows:
        lines += [".TP", f".B {_escape_roff(name)}", _escape_roff(text)]
    return lines


def _paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for part in text.split("\n\n"):
        lines += [*([".PP"] if lines else []), _escape_roff(part)]
    return lines


def _escape_roff(text: str) -> str:
    """Escape text for roff, so that it prints unchanged and hyphens can be copied."""
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


def completion_script(shell: str) -> str:
    """The text of the file with which a shell completes `imgscore`.

    It is the script that `imgscore --install-completion` writes. A shell loads it from a folder of
    the system. zsh runs the file as the function `_imgscore` at the first TAB, so the file must
    also give the completions of this TAB.
    """
    script = get_completion_script(
        prog_name="imgscore", complete_var="_IMGSCORE_COMPLETE", shell=shell
    )
    if shell == "zsh":
        script += '\n[ "$funcstack[1]" = _imgscore ] && _imgscore_completion "$@"'
    return f"{script}\n"


def pages() -> dict[Path, str]:
    """The path and the text of each generated file."""
    all_verbs = verbs()
    return {
        **{
            ROOT / "completions" / f"imgscore.{shell}": completion_script(shell)
            for shell in ("bash", "zsh", "fish")
        },
        ROOT / "docs" / "cli.md": format_markdown(all_verbs),
        ROOT / "man" / "imgscore.1": format_manual(all_verbs),
        ROOT / "man" / "imgscored.1": format_daemon_manual(),
    }


def schema_name(command: str) -> str:
    """The name of the schema of a command: "imgscore heads list" → "heads-list"."""
    return command.removeprefix("imgscore ").replace(" ", "-")


def main(files: dict[Path, str]) -> None:
    """Write the generated files that are out of date; with --check, only list them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    check = parser.parse_args().check
    stale = {
        path: text
        for path, text in files.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)} {'is stale: make docs' if check else 'written'}")
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main(pages())
