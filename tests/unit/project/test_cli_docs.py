"""docs/cli.md and the man pages are as the command line is, and groff has nothing to say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tools import cli_docs, response_docs

MANUALS = [path for path in cli_docs.pages() if path.suffix == ".1"]


def test_what_is_made_from_the_program_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "tools/cli_docs.py", "--check"],
        cwd=cli_docs.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_verb_is_described() -> None:
    described = cli_docs.verbs()
    assert len(described) > 30
    assert not [verb.name for verb in described if not verb.help]
    assert not [
        (verb.name, item.names) for verb in described for item in verb.items if not item.help
    ]


def test_every_command_with_json_names_the_type_of_its_rows() -> None:
    prints_json = [
        verb for verb in cli_docs.verbs() if any("--json" in item.names for item in verb.items)
    ]
    without = [verb.name for verb in prints_json if verb.response is None]
    assert without == ["imgscore config show"]  # its keys are those of the config


def test_every_key_of_a_row_is_described() -> None:
    responses = [verb.response for verb in cli_docs.verbs() if verb.response is not None]
    kinds = {
        kind
        for response in responses
        for top in response_docs.kinds_of(response)
        for kind in (top, *response_docs.nested([top]))
    }
    missing = [
        (kind.__name__, field.name)
        for kind in kinds
        for field in msgspec.structs.fields(kind)
        if not response_docs.meanings(kind).get(field.name)
    ]
    assert len(kinds) > 40 and not missing


@pytest.mark.parametrize("path", MANUALS, ids=lambda path: path.name)
def test_groff_has_nothing_to_say(path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("apt install man-db")
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path],
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == ""


def test_a_man_page_says_what_help_says() -> None:
    if shutil.which("man") is None:
        pytest.skip("apt install man-db")
    shown = subprocess.run(
        ["man", "-l", cli_docs.ROOT / "man" / "imgscore.1"],
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "1000", "MAN_KEEP_FORMATTING": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    words = " ".join(re.sub(".\b", "", shown).split())
    for verb in cli_docs.verbs():
        assert " ".join(verb.help.split()) in words, verb.name


def test_odd_text_reaches_the_reader_as_it_is(tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("apt install man-db")
    text = """.so /etc/passwd 'quoted' "twice" back\\slash ~/home `code` a-b ^"""
    page = tmp_path / "odd.1"
    item = cli_docs.Item("", "'-x", text)
    page.write_text(cli_docs.format_manual([cli_docs.Verb("imgscore odd", text, [item])]))
    shown = subprocess.run(
        ["man", "--warnings", "-l", page],
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "1000"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    words = " ".join(re.sub(".\b", "", shown.stdout).split())
    assert words.count(text) == 2 and "'-x" in words
