"""`--json` of every command fits its schema in docs/schemas, and every exit code occurs.

`tests.support.commands.imgscore` checks the schema of each line that any test prints.
"""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.store.lock import StoreLock
from imgscore.testing import Sandbox, eventually
from tests.conftest import put
from tests.support import schemas
from tests.support.commands import BIN, Start, imgscore
from tools import cli_docs

INBOX, IMAGE, OTHER = "INBOX", "IMAGE", "OTHER"
ARGUMENTS: dict[str, list[str]] = {
    "db backup": [f"{OTHER}/backup"],
    "db restore": ["no-such-backup"],
    "embed": [OTHER],
    "explain": [IMAGE],
    "export": [f"{OTHER}/file.parquet"],
    "groups": [],
    "heads import": [IMAGE],
    "heads use": ["1"],
    "import": [f"{OTHER}/file.parquet"],
    "import-labels": ["--keep", f"{INBOX}/keep"],
    "init": [INBOX],
    "label": ["keep", IMAGE],
    "links": [f"{OTHER}/links"],
    "model check": ["efficientnet-lite0"],
    "model download": ["no-such-model"],
    "model use": ["efficientnet-lite0"],
    "rate": ["--sidecars", "--dry-run"],
    "report": ["-o", f"{OTHER}/report.html"],
    "score": [INBOX],
    "search": ["a sun"],
    "undo": ["label"],
    "unwatch": [INBOX, "--dry-run"],
}
"""The arguments of the commands that need some. INBOX, IMAGE and OTHER stand for paths."""
ENDLESS = {"demo", "review", "watch-log"}
"""Commands that do not end by themselves. Their own tests check their output."""
NO_ROWS = {
    "db restore",
    "heads import",
    "model download",
    "search",
    "service install",
    "service uninstall",
    "tray",
}
"""Commands that only print an error in the sandbox. Their own tests check their rows."""
COMMANDS = [
    verb.name.removeprefix("imgscore ")
    for verb in cli_docs.verbs()
    if any("--json" in item.names for item in verb.items)
]


def options(command: str) -> list[str]:
    """The arguments of a command; a new command is a dry run, if it has one."""
    if command in ARGUMENTS:
        return ARGUMENTS[command]
    (verb,) = [verb for verb in cli_docs.verbs() if verb.name == f"imgscore {command}"]
    return ["--dry-run"] if any("--dry-run" in item.names for item in verb.items) else []


@pytest.mark.parametrize("with_daemon", [False, True])
def test_json_of_every_command_fits_its_schema(
    inbox: Path, tmp_path: Path, start: Start, with_daemon: bool
) -> None:
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 9)[:3]:
            path.rename(inbox / folder / path.name)
    other = tmp_path / "other"
    other.mkdir()
    put(other, "sun", 2, first=20)
    if with_daemon:
        start().settle()
    else:
        assert imgscore("scan").code == 0
    words = {INBOX: str(inbox), OTHER: str(other), IMAGE: str(inbox / "sun-005.jpg")}
    printed, refused = set(), {}
    last = ["unwatch", "stop"]
    for command in sorted({*COMMANDS} - ENDLESS, key=lambda name: (name in last, name)):
        arguments = [
            re.sub("|".join(words), lambda match: words[match[0]], word)
            for word in options(command)
        ]
        done = imgscore(*command.split(), *arguments, "--json")  # it checks the schema
        assert "Usage:" not in done.err, f"add the arguments of {command} to ARGUMENTS: {done.err}"
        assert "Traceback" not in done.err
        assert done.code == 0 or done.out or '{"error"' in done.err, (command, done)
        if done.out:
            printed.add(command)
        elif done.code:
            refused[command] = done.err
    assert set(refused) <= NO_ROWS | ({"start"} if with_daemon else set()), refused
    assert len(printed) > 25


def test_json_of_watch_log_and_review_fits_their_schemas(inbox: Path, start: Start) -> None:
    start()
    for command in ("watch-log", "review --no-open"):
        arguments = [*command.split(), "--json"]
        with subprocess.Popen(
            [BIN / "imgscore", *arguments], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            if command == "watch-log":
                assert "following" in process.stdout.readline()
                put(inbox, "sun", 2)
                (inbox / "broken.png").write_bytes(b"no image")
                imgscore("label", "keep", inbox / "sun-000.png")
                imgscore("pause")
                imgscore("resume")
            seen: set[str] = set()
            wanted = {"scored", "failed", "label", "paused", "resumed"}
            for line in process.stdout:
                schemas.check_line(schemas.name_of(arguments), line)
                seen.add(json.loads(line).get("event", ""))
                if command != "watch-log" or seen >= wanted:
                    break
            process.terminate()


def test_exit_codes_in_the_documents_all_occur(inbox: Path, start: Start) -> None:
    codes = {0: imgscore("status").code, 1: imgscore("score", inbox / "missing.png").code}
    codes[2] = imgscore("label", "perhaps", inbox).code
    codes[4] = imgscore("watch-log").code
    text = paths.config_file().read_text()
    paths.config_file().write_text("[[watch]]\ninbox = 7\n")
    codes[3] = imgscore("status").code
    paths.config_file().write_text(text)
    with StoreLock(paths.data_folder()):
        codes[5] = imgscore("status").code
    codes[130] = interrupted(start())
    assert codes == {code: code for code in codes}
    assert {int(code) for code, _ in cli_docs.EXIT_CODES} == set(codes)


def interrupted(daemon: Sandbox) -> int:
    """The exit code of a command that gets Ctrl-C while it waits for the daemon."""
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        with subprocess.Popen([BIN / "imgscore", "wait"]) as process:
            try:
                eventually(lambda: has_socket(process.pid), what="the command has connected")
                process.send_signal(signal.SIGINT)
                return process.wait()
            finally:
                process.kill()
    finally:
        os.kill(daemon.pid, signal.SIGCONT)


def has_socket(pid: int) -> bool:
    """Whether a process has a socket. Its other descriptors may be closed meanwhile."""
    try:
        return any("socket:" in os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False
