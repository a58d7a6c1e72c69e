"""TAB in real shells: verbs, options, folders, tastes and heads."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgscore import paths
from tests.conftest import put
from tests.support.commands import BIN, imgscore

SECONDS = 60.0
SHIPPED = Path(__file__).parents[2] / "completions"
START = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
RESTART = {"bash": "exec bash --noprofile -i", "zsh": "exec zsh -d -i"}
READY = {
    "bash": "bind 'set bell-style none'; PS1='ready> '",
    "zsh": "unsetopt beep; PS1='ready> '",
}


class Terminal:
    """A shell at a terminal, as a person types into it."""

    def __init__(self, shell: str) -> None:
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}")
            os.execvp(START[shell][0], START[shell])
        self._text = ""
        # The "" makes the output of `echo` differ from its echoed command line.
        self.type('imgscore --install-completion; echo it is"" installed\n')
        self._until("it is installed")
        self.type(f"{RESTART[shell]}\n")
        self.type(f'{READY[shell]}; echo it is"" set up\n')
        self._until("it is set up")
        if shell == "zsh":  # the first TAB of a shell only loads Typer's file for zsh
            self.completed("imgscore resu")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._descriptor, text.encode())

    def completed(self, line: str) -> str:
        """The line after a TAB at its end: it is echoed, not run."""
        # Then an `echo` marks the end. Its "" makes its output differ from its command line.
        self.type(f'{line}\t\x01echo +""+ \x05 +""+\n')
        self._until("++ ")
        return self._until(" ++").removesuffix(" ++").strip()

    def _until(self, end: str) -> str:
        """Read until `end` is printed. Returns the text since the last call."""
        deadline = time.monotonic() + SECONDS
        while end not in self._text:
            assert time.monotonic() < deadline, self._text
            if select.select([self._descriptor], [], [], 1.0)[0]:
                self._text += os.read(self._descriptor, 1 << 16).decode(errors="replace")
        text, _, self._text = self._text.partition(end)
        return text + end

    def close(self) -> None:
        """End the shell."""
        os.close(self._descriptor)
        os.waitpid(self.pid, 0)


@pytest.fixture
def terminal() -> Iterator[Callable[[str], Terminal]]:
    opened: list[Terminal] = []

    def open_one(shell: str) -> Terminal:
        if shutil.which(shell) is None:
            pytest.skip(f"apt install {shell}")
        opened.append(Terminal(shell))
        return opened[-1]

    yield open_one
    for shell in opened:
        shell.close()


@pytest.fixture
def library(inbox: Path) -> Path:
    """An inbox with a head, and a watch whose name must be quoted in a shell."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 4)[:2]:
            path.rename(inbox / folder / path.name)
    assert imgscore("scan").code == 0
    odd = inbox.parent / "odd $(touch ran); 'name'"
    assert imgscore("init", odd, "--taste", "memes").code == 0
    return inbox


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_in_a_shell_completes(
    shell: str, library: Path, terminal: Callable[[str], Terminal]
) -> None:
    here = terminal(shell)
    (head,) = paths.heads_folder().glob("default/*.safetensors")
    for line, whole in (
        ("imgscore resu", "imgscore resume"),
        ("imgscore pause --f", "imgscore pause --for"),
        ("imgscore label k", "imgscore label keep"),
        ("imgscore train --taste mem", "imgscore train --taste memes"),
        ("imgscore heads use ", f"imgscore heads use {head.stem}"),
        ("imgscore model use eff", "imgscore model use efficientnet-lite0"),
        (f"imgscore order {os.fspath(library)[:-2]}", f"imgscore order {library}"),
        (f"imgscore score {library}/ke", f"imgscore score {library}/keep"),
        ("imgscore order ", f"imgscore order {library}"),
    ):
        assert here.completed(line).rstrip("/") == whole
    assert not list(Path.cwd().glob("ran")) and not list(library.parent.rglob("ran"))


def test_tab_in_fish_completes(library: Path) -> None:
    script = 'imgscore --show-completion | source; complete -C"$LINE"'
    if shutil.which("fish") is None:
        pytest.skip("apt install fish")
    (head,) = paths.heads_folder().glob("default/*.safetensors")
    for line, whole in (
        ("imgscore resu", "resume"),
        ("imgscore label k", "keep"),
        ("imgscore train --taste mem", "memes"),
        ("imgscore heads use ", head.stem),
        ("imgscore model use eff", "efficientnet-lite0"),
        (f"imgscore order {os.fspath(library)[:-2]}", os.fspath(library)),
        (f"imgscore score {library}/ke", f"{library}/keep/"),
    ):
        done = subprocess.run(
            ["fish", "--no-config", "-c", script],
            env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "LINE": line},
            capture_output=True,
            text=True,
            check=True,
        )
        assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == [whole]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_tab_with_the_shipped_file_completes(shell: str, library: Path) -> None:
    """The file in completions/, loaded as the shell loads the files of the system."""
    if shutil.which(shell) is None:
        pytest.skip(f"apt install {shell}")
    file, folder = SHIPPED / f"imgscore.{shell}", library.parent / "functions"
    folder.mkdir()
    shutil.copyfile(file, folder / "_imgscore")
    # zsh has no way to complete without a terminal: comptest's zpty types the line.
    zsh = f"""
        zmodload zsh/zpty
        zpty shell 'zsh -f -i'
        zpty -w shell "PS1= ; fpath=({folder} \\$fpath); autoload -Uz compinit"
        zpty -w shell "compinit -u -D; echo re''ady"
        zpty -r shell text '*ready*'
        zpty -w -n shell $'imgscore resu\\t\\x01echo +""+ \\x05 +""+\\n'
        zpty -r shell text '*++ *++*'
        print -r -- $text
    """
    scripts = {
        "bash": [
            "bash", "--norc", "-c",
            f"source '{file}'; COMP_WORDS=(imgscore resu); COMP_CWORD=1; "
            '_imgscore_completion imgscore; echo "${COMPREPLY[@]}"',
        ],
        "fish": ["fish", "--no-config", "-c", f"source '{file}'; complete -C'imgscore resu'"],
        "zsh": ["zsh", "-f", "-c", zsh],
    }  # fmt: skip
    done = subprocess.run(
        scripts[shell],
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    assert re.search(r"\bresume\b", done.stdout), done.stdout + done.stderr


def test_tab_with_a_wrong_config_prints_nothing(library: Path) -> None:
    paths.config_file().write_text("watch = 7")
    _prints_nothing("imgscore order ")
    _prints_nothing("imgscore heads use --taste /etc ")


def _prints_nothing(line: str) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()))}
    done = subprocess.run(
        [BIN / "imgscore"],
        env={**os.environ, **words, "_IMGSCORE_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "" and done.stderr == ""
