"""The command `db`: check, back up, restore and shrink the store."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from imgscore import client, dispatch, fsutil, paths
from imgscore.cli.app import Json, Section, group, prints
from imgscore.cli.output import later, print_messages, print_note
from imgscore.cli.path_text import short, shortened
from imgscore.errors import UsageError
from imgscore.messages import Message, Result
from imgscore.verbs import db as verb
from imgscore.verbs.base import rows_of


class BackedUp(msgspec.Struct):
    """A backup that was written."""

    folder: str
    """the folder of the backup"""
    bytes: int
    """the size of the backup in bytes"""
    error: str | None = None
    """always null"""


class Restored(msgspec.Struct):
    """The result of `db restore`, which replaces the store with a backup."""

    restored: str
    """the folder of the backup"""
    set_aside: str | None
    """the folder to which the old store was moved; null if there was no store"""
    error: str | None = None
    """always null"""


class Compacted(msgspec.Struct):
    """The result of `db compact`, which shrinks the file of the store."""

    dropped: int
    """the number of vectors that were deleted"""
    before_bytes: int
    """the size of the file of the store before the command, in bytes"""
    after_bytes: int
    """the size after the command, in bytes; equal to `before_bytes` if a daemon runs"""
    error: str | None = None
    """always null"""


commands = group("db", Section.STORE, "Check, back up, restore and shrink the store.")


@commands.command()
@prints(verb.CheckedTable)
def check(as_json: Json = False) -> None:
    """Check the store for contradictions. The exit code is 1 if there are any."""
    messages = _check() if _is_to_be_checked_here() else dispatch.call(verb.Request("check"))
    raise typer.Exit(print_messages(messages, _checked, as_json=as_json))


def _is_to_be_checked_here() -> bool:
    """Return whether there is a store and no daemon. A damaged store may have no working engine."""
    connection = client.connect(paths.socket_path())
    if connection is not None:
        connection.close()
        return False
    return (paths.store_folder() / "data.mdb").exists()


def _check() -> Iterator[Message[verb.Response]]:
    from imgscore.store import verify

    verify.before_reading(paths.data_folder(), paths.store_folder())
    for what, entries, problems in verify.findings(paths.store_folder()):
        yield Result(verb.CheckedTable(what, entries, "; ".join(problems) or None))


@commands.command()
@prints(BackedUp)
def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    as_json: Json = False,
) -> None:
    """Copy the store and the heads into a folder. The daemon may run at the same time."""
    from imgscore.store.backups import back_up

    path = Path(os.path.abspath(folder))
    row = later(lambda: BackedUp(os.fspath(path), back_up(path)))
    raise typer.Exit(print_messages(row, _backed_up, as_json=as_json))


@commands.command()
@prints(Restored)
def restore(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]", help="The folder of a backup. Without it: the newest automatic backup."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Replace the store with a backup. The old store is kept under another name."""
    raise typer.Exit(print_messages(later(lambda: _restore(folder)), _restored, as_json=as_json))


def _restore(folder: Path | None) -> Restored:
    from imgscore.reconcile.walk import fingerprint_of
    from imgscore.store import backup_folders, backups
    from imgscore.store.lock import lock_soon

    def mtime_ns(path: bytes) -> int | None:
        fingerprint = fingerprint_of(path)
        return None if fingerprint is None else fingerprint.mtime_ns

    with lock_soon(paths.data_folder()):
        if folder is None:
            folder = backup_folders.newest_sound()
            if folder is None:
                raise UsageError(
                    f"there is no undamaged backup in {paths.backups_folder()}",
                    "give the folder of a backup: imgscore db restore DIR",
                )
        aside = backups.restore(folder, paths.store_folder(), paths.heads_folder(), mtime_ns)
    return Restored(os.fspath(folder), None if aside is None else os.fspath(aside))


@commands.command()
@prints(Compacted)
def compact(
    drop_embedder: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Delete this embedder's vectors. `model list` prints the ids."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Shrink the store's file to the size of its contents."""
    raise typer.Exit(print_messages(_compact(drop_embedder), _compacted, as_json=as_json))


def _compact(embedder: str | None) -> Iterator[Message[Compacted]]:
    dropped = 0
    if embedder is not None:
        for row in rows_of(dispatch.call(verb.Request("drop", embedder))):
            if isinstance(row, verb.DroppedEmbedder):
                dropped = row.vectors
    before, after = _shrink()
    yield Result(Compacted(dropped, before, after))


def _shrink() -> tuple[int, int]:
    """Shrink the file of the store. Return the size before and the size after, in bytes.

    The file is replaced by a smaller file, so no other process may use it at this time. If a daemon
    is running, the file is therefore not changed.
    """
    from imgscore.store import verify
    from imgscore.store.lock import lock_soon
    from imgscore.store.store import Store

    connection = client.connect_to_daemon()
    if connection is not None:
        connection.close()
        print_note(
            "imgscored is running, so the file keeps its size; the store reuses the freed space"
        )
        print_note(
            "  to shrink the file: imgscore stop, then imgscore db compact, then imgscore start"
        )
        size = (paths.store_folder() / "data.mdb").stat().st_size
        return size, size
    with lock_soon(paths.data_folder()) as lock:
        folder = paths.store_folder()
        verify.before_use(lock, folder)
        copy = folder.with_name("store.compact")
        shutil.rmtree(copy, ignore_errors=True)
        with Store(folder) as store:
            store.backup(copy)
        before = (folder / "data.mdb").stat().st_size
        after = (copy / "data.mdb").stat().st_size
        fsutil.sync(copy / "data.mdb")
        (copy / "data.mdb").replace(folder / "data.mdb")
        fsutil.sync(folder)
        shutil.rmtree(copy)
    return before, after


def _checked(row: verb.Response) -> str:
    assert isinstance(row, verb.CheckedTable)
    return f"{row.what}: {row.entries}, {shortened(row.error or 'ok')}"


def _backed_up(row: BackedUp) -> str:
    return f"{short(row.folder)}: {row.bytes / 1e6:.1f} MB"


def _restored(row: Restored) -> str:
    aside = f"; the old store is now {short(row.set_aside)}" if row.set_aside else ""
    return f"restored from {short(row.restored)}{aside}"


def _compacted(row: Compacted) -> str:
    dropped = f"{row.dropped} vectors dropped; " if row.dropped else ""
    return f"{dropped}{row.before_bytes / 1e6:.1f} MB → {row.after_bytes / 1e6:.1f} MB"
