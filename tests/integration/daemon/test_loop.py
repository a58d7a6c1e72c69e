"""The loop against what clients and configs say: nothing ends it, and nobody is left waiting."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from imgscored import loop as loop_module
from imgscored.loop import Loop
from imgscored.mailbox import END, Call, Mailbox
from imgscored.schedule import Schedule
from imgscored.watcher import Watcher

from imgscore import config, paths
from imgscore.engine import pruning
from imgscore.engine.engine import open_engine
from imgscore.errors import CorruptStoreError, StoreError
from imgscore.store import journal
from imgscore.store.schema import Touch
from imgscore.store.store import Store
from imgscore.testing import eventually
from imgscore.verbs import history, thumbnails
from tests.conftest import put
from tests.integration.engine.conftest import until


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with closing(Mailbox()) as mailbox:
        yield mailbox


@pytest.fixture
def loop(tmp_path: Path, mailbox: Mailbox) -> Iterator[Loop]:
    (tmp_path / "inbox").mkdir()
    paths.config_file().parent.mkdir(parents=True)
    write_config(f'[[watch]]\ninbox = "{tmp_path}/inbox"\n')
    settings = config.load()
    with (
        Store(paths.store_folder()) as store,
        open_engine(store, settings, paths.heads_folder()) as engine,
        closing(Watcher(mailbox)) as watcher,
        closing(Schedule(mailbox, settings.daemon)) as schedule,
    ):
        yield Loop(engine, mailbox, watcher, schedule)


def write_config(text: str) -> None:
    paths.config_file().write_text(text)


def answer(call: Call) -> dict[str, Any]:
    """The last line of an answer."""
    lines = []
    while (line := call.answers.get(timeout=60)) is not END:
        lines.append(line)
    return lines[-1]


def test_loop_invalid_requests_do_not_end_it(loop: Loop, mailbox: Mailbox, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff")
    calls = [
        Call("train", {"taste": name}),
        Call("score", {"files": [], "taste": "../elsewhere"}),
        Call("db", {"action": "drop", "embedder": "\0"}),
        Call("restore-times", {"folder": "a\0b"}),
        Call("history", {"limit": -1}),
        Call("history", {"field-of-a-newer-version": 1}),
        Call("verb-of-a-newer-version", {}),
    ]
    missing = Call("import", {"file": f"{tmp_path}/{name}.parquet"})
    for call in [*calls, missing]:
        mailbox.call(call)
    mailbox.call(Call("stop", {}))
    assert loop.run() == "stop"
    for call in [*calls, missing]:
        assert "error" in answer(call), call


def test_loop_invalid_config_is_refused(loop: Loop, mailbox: Mailbox) -> None:
    for text in ("", '[[watch]]\ninbox = "~nobody-of-this-name/x"\n'):
        write_config(text)
        call = Call("reload", {})
        mailbox.call(call)
        mailbox.call(Call("stop", {}))
        assert loop.run() == "stop"
        assert answer(call)["exit"] == 3
        mailbox.take()
        mailbox._pending.stop = False


def test_loop_call_during_reload_is_answered_after_it(loop: Loop, mailbox: Mailbox) -> None:
    mailbox.reload()
    call = Call("history", {"limit": 1})
    mailbox.call(call)
    assert loop.run() == "reload"
    mailbox.call(Call("stop", {}))
    assert loop.run() == "stop"
    assert "done" in answer(call)


def test_loop_verb_that_cannot_be_imported_does_not_end_it(
    loop: Loop, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imgscore.verbs.report", None)  # half of an upgrade
    call = Call("report", {})
    mailbox.call(call)
    mailbox.call(Call("stop", {}))
    assert loop.run() == "stop"
    assert "report" in answer(call)["error"]


@pytest.mark.parametrize("part", ["_pass_on", "_advance_calls", "_timeout"])
def test_loop_unexpected_error_does_not_end_it(
    loop: Loop, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    real, errors = getattr(loop, part), [ValueError("nonsense"), OSError(24, "no descriptors")]

    def fail(*arguments: Any) -> Any:
        if errors:
            raise errors.pop()
        return real(*arguments)

    monkeypatch.setattr(loop, part, fail)
    monkeypatch.setattr(loop_module, "ERROR_SECONDS", 0.01)
    call = Call("history", {})
    mailbox.call(call)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        assert "done" in answer(call)
        eventually(lambda: not errors)
    finally:
        mailbox.call(Call("stop", {}))
        thread.join()


def test_loop_corrupt_store_ends_it(
    loop: Loop, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def corrupt(*_: object) -> None:
        raise CorruptStoreError("the store is damaged", "restore a backup")

    monkeypatch.setattr(loop._engine.trainer, "advance", corrupt)
    with pytest.raises(CorruptStoreError):
        loop.run()


def test_loop_status_that_cannot_be_created_says_why(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = StoreError("the store is damaged", "restore a backup")

    def fail(*_: object, **__: object) -> None:
        raise damaged

    with monkeypatch.context() as patch:
        patch.setattr(loop_module.status_verb, "status", fail)
        loop.publish()
        assert loop.snapshot.troubles == ["the store is damaged; restore a backup"]
        assert loop.snapshot.watches
    loop.publish()
    assert not loop.snapshot.troubles


def wait_for_power(loop: Loop, mailbox: Mailbox, inbox: Path) -> None:
    """Until nothing is to be done but what waits: two images."""
    put(inbox, "sun", 2)
    mailbox.save_power("on battery")
    pending = mailbox.take()
    loop._pass_on(pending)
    engine = loop._engine
    engine.save_power(loop._saving)
    engine.indexer.hint_all()
    until(engine, lambda: engine.indexer.queued == 2 == engine.pending)


def test_loop_status_is_current_while_work_waits(
    loop: Loop, mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "MIN_STATUS_SECONDS", 1.0)
    put(tmp_path / "inbox", "sun", 2)
    mailbox.save_power("on battery")
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        eventually(lambda: loop.snapshot.pending == 2)
    finally:
        mailbox.call(Call("stop", {}))
        thread.join()


def test_loop_prune_job_prunes_when_due(
    loop: Loop, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MAX_BYTES", 0)
    old = thumbnails.thumbnails_folder() / "old.webp"
    old.write_bytes(bytes(8192))
    loop._schedule._scheduler.modify_job("prune", next_run_time=datetime.now(UTC))
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        eventually(lambda: not old.exists())
    finally:
        mailbox.call(Call("stop", {}))
        thread.join()


def test_loop_follower_does_not_wake_it_while_work_waits(
    loop: Loop, mailbox: Mailbox, tmp_path: Path
) -> None:
    wait_for_power(loop, mailbox, tmp_path / "inbox")
    call = Call("watch-log", {})
    loop._begin(call)
    loop._advance_calls()
    loop.publish()
    assert not loop._engine.idle and loop._timeout() is None
    loop._begin(Call("wait", {}))
    assert loop._timeout() == loop_module.CALL_SECONDS


def test_loop_long_history_gives_way_to_other_calls(loop: Loop, mailbox: Mailbox) -> None:
    touches = [
        Touch(at, 7, b"/inbox", b"/inbox/%d.jpg" % at, bytes(32), at, at + 1, "1", "order")
        for at in range(3 * history.ENTRY_BATCH)
    ]
    loop._engine.ctx.store.commit(lambda txn: [journal.append(txn, touch) for touch in touches])
    long, short = Call("history", {"together": True}), Call("history", {"limit": 1})
    for call in (long, short):
        loop._begin(call)
    loop._advance_calls()
    assert loop._timeout() == 0.0
    assert "done" in answer(short)
    while loop._calls:
        loop._advance_calls()
    assert loop._timeout() != 0.0
    lines = []
    while (line := long.answers.get(timeout=60)) is not END:
        lines.append(line)
    assert [line["result"]["dates"] for line in lines if "result" in line] == [len(touches)]
