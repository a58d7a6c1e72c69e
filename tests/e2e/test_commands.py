"""Every verb from the shell, with and without a daemon: results, errors, exit codes."""

import json
import os
import re
import subprocess
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.errors import UsageError
from imgscore.testing import Completed
from tests.conftest import put
from tests.support.commands import BIN, Start, imgscore, newest_first, settled_state

pytestmark = pytest.mark.core

STATUS_KEYS = {"state", "pid", "rss_bytes", "embedder", "head", "pending", "failed", "watches"}
SCORE_KEYS = {"path", "sha256", "score", "label", "head", "embedder", "error"}


def taught(inbox: Path) -> None:
    """Suns in keep/, texts in trash/, and some of both in the inbox."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 9)[:3]:
            path.rename(inbox / folder / path.name)


@pytest.mark.parametrize("with_daemon", [False, True])
def test_verbs_with_and_without_a_daemon_give_the_same_results(
    inbox: Path, start: Start, with_daemon: bool
) -> None:
    taught(inbox)
    daemon = start() if with_daemon else None
    scan = imgscore("scan", "--json")
    assert scan.code == 0, scan.err
    assert scan.row["files"] == 12 and scan.row["scored"] == 12 and scan.row["failed"] == 0

    status = imgscore("status", "--json").row
    assert set(status) >= STATUS_KEYS
    assert status["state"] == ("running" if with_daemon else "offline")
    assert (status["pid"] is not None) == with_daemon
    watch = status["watches"][0]
    assert {key: watch[key] for key in ("files", "scored", "keep", "trash", "state")} == {
        "files": 12,
        "scored": 12,
        "keep": 3,
        "trash": 3,
        "state": "ok",
    }

    names = newest_first(inbox)
    answer = imgscore("score", "--json", *(inbox / name for name in names))
    assert answer.code == 0 and all(set(row) >= SCORE_KEYS for row in answer.rows)
    assert [Path(row["path"]).name for row in answer.rows] == names
    suns = [row["score"] for row in answer.rows if "sun" in row["path"]]
    texts = [row["score"] for row in answer.rows if "text" in row["path"]]
    assert min(suns) > max(texts)
    assert {row["head"] for row in answer.rows} == {status["head"]}

    assert imgscore("order", "--dry-run", "--json").out == ""  # it is in order
    assert "in order" in imgscore("order").err

    labelled = imgscore("label", "trash", inbox / names[0], "--json")
    assert labelled.code == 0 and labelled.row["label"] == "trash"
    assert imgscore("score", inbox / names[0], "--json").row["label"] == "trash"
    assert imgscore("undo", "label", "--json").row["label"] is None
    assert imgscore("label", "keep", inbox / names[-1]).code == 0
    assert imgscore("label", "clear", inbox / names[-1]).code == 0

    train = imgscore("train", "--json")
    assert train.code == 0 and train.row["labels"] == 6, train.err

    history = imgscore("history", "-n", "500", "--json").rows
    assert {"order", "label"} <= {row["what"] for row in history}
    runs = Counter(row["run"] for row in history if row["what"] == "order")
    orderings = {f"order: {count} dates  {inbox}" for count in runs.values() if count > 1}
    assert orderings and orderings <= {line[21:] for line in imgscore("history").out.splitlines()}
    assert len(imgscore("history", "-n", "500", "--files").out.splitlines()) == len(history)
    restored = imgscore("restore-times", "--dry-run", "--json").rows
    assert 10 <= len(restored) <= 12  # a file with the right date is not touched
    dates = {path.name: path.stat().st_mtime_ns for path in inbox.iterdir()}
    done = [row | {"dry_run": False} for row in restored]
    assert imgscore("restore-times", "--json").rows == done
    for row in restored:
        path = Path(row["path"])
        assert path.stat().st_mtime_ns == row["after_ns"] != dates[path.name]
    assert "held" in imgscore("status", "--json").row["watches"][0]["state"]
    planned = imgscore("order", "--dry-run", "--json").rows
    ordered = imgscore("order", "--json").rows
    assert {row["path"] for row in ordered} == {row["path"] for row in planned}
    assert len(ordered) >= 10
    undone = imgscore("undo", "order", "--json").rows
    assert {row["path"] for row in undone} == {row["path"] for row in ordered}
    for row in restored:
        assert Path(row["path"]).stat().st_mtime_ns == row["after_ns"]

    assert imgscore("pause", "--for", "1h", "--json").row["state"] == "paused"
    # A pause of years: longer than the timeout that the kernel allows.
    assert imgscore("pause", "--json").row["state"] == "paused"
    if daemon is not None:
        assert settled_state(daemon) == "paused"
        refused = imgscore("wait")
        assert refused.code == 1 and "resume" in refused.err
        for seconds in ("inf", "nan", "1e400"):
            refused = imgscore("wait", "--timeout", seconds)
            assert refused.code == 2 and "Traceback" not in refused.err, refused
        assert (
            imgscore("score", inbox / names[0]).code == 0
        )  # a pause does not stop an explicit call
    assert imgscore("resume", "--json").row["state"] == "running"


def test_import_labels_sorted_folders_teach(inbox: Path, tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    put(tmp_path / "good", "sun", 5)
    put(tmp_path / "bad", "text", 5)
    (tmp_path / "bad" / "broken.jpg").write_text("no image")
    put(inbox, "sun", 3, first=20)
    put(inbox, "text", 3, first=20)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*d/*")}
    answer = imgscore(
        "import-labels", "--keep", tmp_path / "good", "--trash", tmp_path / "bad", "--json"
    )
    assert answer.code == 1  # one of them failed
    assert answer.rows[-1] == {
        "keep": 5,
        "trash": 5,
        "undecided": 0,
        "unrated": 0,
        "failed": 1,
        "taste": "default",
        "error": None,
    }
    assert "broken.jpg" in answer.rows[0]["path"] and "not an image" in answer.rows[0]["error"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert imgscore("scan").code == 0
    assert [name[:3] for name in newest_first(inbox)] == ["sun"] * 3 + ["tex"] * 3


def test_score_file_outside_the_watches_gets_a_score(inbox: Path, tmp_path: Path) -> None:
    taught(inbox)
    (elsewhere,) = put(tmp_path, "sun", 1, first=70)
    answer = imgscore("score", elsewhere, tmp_path / "missing.png", "--json")
    assert answer.code == 1
    assert (answer.rows[0]["score"], answer.rows[0]["error"]) == (None, None)
    assert answer.rows[0]["missing"]
    alone = imgscore("score", elsewhere)  # a missing head is no error
    assert alone.code == 0 and "no head yet" in alone.out
    assert "no such file" in answer.rows[1]["error"]
    imgscore("scan")
    assert imgscore("score", elsewhere, "--json").row["score"] > 0.5
    # A scored file is not watched.
    assert "sun-070" not in imgscore("scan", "--dry-run").out


def test_score_name_that_is_not_utf8_survives_json(inbox: Path) -> None:
    taught(inbox)
    name = b"odd\n\x1b[31m\xff.png"
    with open(os.fsencode(inbox) + b"/" + name, "wb") as file:
        file.write((inbox / "sun-004.png").read_bytes())
    imgscore("scan")
    path = os.fsdecode(os.fsencode(inbox) + b"/" + name)
    row = imgscore("score", path, "--json").row
    assert row["path"] == path and row["error"] is None
    output = imgscore("score", path).out
    assert output.count("\n") == 1 and "\x1b" not in output


def test_verbs_wrong_use_config_or_store_gives_its_exit_code(tmp_path: Path) -> None:
    def complains(answer: Completed, code: int) -> None:
        assert answer.code == code, answer
        assert answer.out == "" and answer.err, answer
        assert "Traceback" not in answer.err

    config = paths.config_file()
    config.parent.mkdir(parents=True)
    complains(imgscore("nonsense"), 2)
    complains(imgscore("label", "maybe", "x.png"), 2)
    complains(imgscore("scan"), 3)
    complains(imgscore("config", "check"), 3)
    complains(imgscore("start"), 3)
    complains(imgscore("wait"), 4)
    complains(imgscore("stop"), 4)
    config.write_text("[[watch]]\ninbox = 7\n")
    complains(imgscore("status"), 3)
    error = json.loads(imgscore("status", "--json").err)
    assert "watch[0].inbox" in error["error"] and "7" in error["error"] and error["remedy"]
    daemon = subprocess.run([BIN / "imgscored"], capture_output=True, check=False)
    assert daemon.returncode == 3 and b"watch[0].inbox" in daemon.stderr
    for setting in ("device = 'gpu'", "model = 'uform'", "model = 'uform3-small'"):
        config.write_text(setting)
        complains(imgscore("config", "check"), 3)
    config.write_text(f"[[watch]]\ninbox = '{tmp_path}/in'\n")
    assert imgscore("config", "check").code == 0
    store = paths.store_folder()
    store.mkdir(parents=True)
    (store / "data.mdb").write_bytes(b"\xff" * 20000)
    complains(imgscore("status"), 5)
    started = imgscore("start")
    complains(started, 5)
    assert "imgscore db restore DIR" in started.err.splitlines()[1]  # and not only "see the log"


def test_start_and_stop_of_a_process_work_once(inbox: Path) -> None:
    first = imgscore("start", "--json")
    assert first.code == 0 and first.row["state"] == "running", first.err
    assert imgscore("start", "--json").row["pid"] == first.row["pid"]
    second = subprocess.run([BIN / "imgscored"], capture_output=True, check=False)
    assert second.returncode == 5 and b"another imgscore" in second.stderr
    assert imgscore("stop").code == 0
    assert imgscore("stop").code == 4
    assert not paths.socket_path().exists()


def test_init_repeated_or_beside_a_daemon_takes_effect(
    inbox: Path, tmp_path: Path, start: Start
) -> None:
    assert imgscore("init", inbox).code == 0
    assert paths.config_file().read_text().count("[[watch]]") == 1
    daemon = start()
    other = tmp_path / "an 'odd' \"name\""
    assert imgscore("init", other, "--taste", "memes").code == 0
    put(other, "sun", 2)
    status = daemon.settle()
    assert [watch["files"] for watch in status["watches"]] == [0, 2]
    assert status["watches"][1]["taste"] == "memes"
    text = paths.config_file().read_text()
    paths.config_file().write_text(text.replace('"memes"', '"cats"'))
    assert imgscore("init", inbox).code == 0
    assert daemon.settle()["watches"][1]["taste"] == "cats"


def test_doctor_missing_keep_folder_is_a_problem(inbox: Path) -> None:
    healthy = imgscore("doctor", "--json")
    assert healthy.code == 0, healthy.out
    (inbox / "keep").rmdir()
    sick = imgscore("doctor", "--json")
    assert sick.code == 1
    (problem,) = [row for row in sick.rows if row["state"] == "problem"]
    assert problem["check"] == "keep" and "mkdir" in problem["remedy"]


def test_doctor_running_daemon_is_found_by_lock_and_socket(inbox: Path, start: Start) -> None:
    daemon = start()
    answer = imgscore("doctor", "--json")
    assert answer.code == 0, answer.out
    checks = {row["check"]: row for row in answer.rows}
    assert {checks[name]["state"] for name in ("lock", "socket", "daemon")} == {"ok"}
    assert f"(process {daemon.pid}) holds" in checks["lock"]["detail"]
    assert f"process {daemon.pid}," in checks["daemon"]["detail"]
    assert imgscore("doctor").err.startswith("0 problems, ")


def test_help_of_every_verb_is_printed(tmp_path: Path) -> None:
    verbs = re.findall(r"^  ([a-z-]+)  ", imgscore("--help").out.partition("\nSet up:")[2], re.M)
    assert len(verbs) > 15
    for verb in verbs:
        answer = imgscore(verb, "--help")
        assert answer.code == 0 and answer.out.startswith("Usage: imgscore"), verb


def test_version_is_printed() -> None:
    assert imgscore("--version").out == f"imgscore {version('imgscore')}\n"


def test_verbs_relative_paths_are_of_the_working_folder(
    inbox: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught(inbox)
    daemon = start()
    daemon.settle()
    monkeypatch.chdir(inbox)
    assert imgscore("score", "--json", "sun-003.jpg").row["path"] == str(inbox / "sun-003.jpg")
    assert imgscore("explain", "--json", "../inbox/sun-003.jpg").row["error"] is None
    assert imgscore("label", "keep", "sun-004.png").code == 0
    daemon.settle()
    assert imgscore("restore-times", "--dry-run", "keep").out == ""
    everywhere = imgscore("restore-times", "--dry-run", "--json").rows
    assert imgscore("restore-times", "--dry-run", "--json", ".").rows == everywhere != []
    assert imgscore("history", "--json", "keep").rows
    assert imgscore("import-labels", "--keep", "keep").code == 0
    assert imgscore("scan", "--json", ".").row["failed"] == 0
    with pytest.raises(UsageError, match="absolute path"):
        daemon.ask("score", files=["sun-003.jpg"])


def test_verbs_without_a_watch_name_init_as_remedy() -> None:
    for verb in ("next", "train", "order", "scan"):
        answer = imgscore(verb)
        assert answer.code == 3 and "imgscore init" in answer.err, answer


@pytest.mark.parametrize("with_daemon", [False, True])
def test_verbs_wrong_folder_or_taste_gives_exit_code_2(
    inbox: Path, start: Start, with_daemon: bool
) -> None:
    (photo,) = put(inbox, "sun", 1)
    assert imgscore("scan").code == 0
    if with_daemon:
        start()
    date = photo.stat().st_mtime_ns
    missing = inbox / "no" / "such"
    for verb in (["undo", "order"], ["report"], ["order"], ["scan"], ["history"], ["review"]):
        answer = imgscore(*verb, missing)
        assert (answer.code, answer.out) == (2, ""), answer
        assert (
            f"{missing} does not exist" in answer.err and f"a watched folder: {inbox}" in answer.err
        )
    for verb in (
        ["label", "keep", photo], ["score", photo], ["heads", "list"], ["evaluate"], ["next"],
        ["suspects"], ["train"], ["report"], ["export", inbox.parent / "table.parquet"],
    ):  # fmt: skip
        answer = imgscore(*verb, "--taste", "typo")
        assert (answer.code, answer.out) == (2, ""), answer
        assert (
            "there is no taste 'typo'" in answer.err
            and "use a taste that exists: default" in answer.err
        )
    assert photo.stat().st_mtime_ns == date
    assert imgscore("history", "--json").out == ""
