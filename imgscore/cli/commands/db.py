"""db: check, back up, restore and shrink the store."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from imgscore import client, fsutil, paths
from imgscore.cli import dispatch
from imgscore.cli.app import Json, Section, group, run
from imgscore.cli.output import printable, say, show
from imgscore.errors import UsageError
from imgscore.messages import Message, Result
from imgscore.verbs.base import Row

commands = group("db", Section.STORE, "Check, back up, restore and shrink the store.")


@commands.command()
def check(as_json: Json = False) -> None:
    """Check the store for contradictions. The exit code is 1 if there are any."""
    run("db", {"action": "check"}, _checked, as_json=as_json)


@commands.command()
def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    as_json: Json = False,
) -> None:
    """Copy the store and the heads into a folder. The daemon may run meanwhile."""
    from imgscore.store.backups import back_up

    path = Path(os.path.abspath(folder))
    row = {"folder": os.fspath(path), "bytes": back_up(path), "error": None}
    raise typer.Exit(show([Result(row)], _backed_up, as_json=as_json))


@commands.command()
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
    raise typer.Exit(show([Result(_restore(folder))], _restored, as_json=as_json))


def _restore(folder: Path | None) -> Row:
    from imgscore.reconcile.walk import fingerprint_of
    from imgscore.store import backups
    from imgscore.store.lock import StoreLock

    def mtime_ns(path: bytes) -> int | None:
        fingerprint = fingerprint_of(path)
        return None if fingerprint is None else fingerprint.mtime_ns

    with StoreLock(paths.data_folder()):
        if folder is None:
            existing = backups.kept(paths.backups_folder(), datetime.now(UTC))
            if not existing:
                raise UsageError(
                    f"there is no backup in {paths.backups_folder()}",
                    "name the folder of a backup: imgscore db restore DIR",
                )
            folder = existing[-1]
        aside = backups.restore(folder, paths.store_folder(), paths.heads_folder(), mtime_ns)
    return {
        "restored": os.fspath(folder),
        "set_aside": None if aside is None else os.fspath(aside),
        "error": None,
    }


@commands.command()
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
    raise typer.Exit(show(_compact(drop_embedder), _compacted, as_json=as_json))


def _compact(embedder: str | None) -> list[Message[Any]]:
    dropped = 0
    if embedder is not None:
        arguments = {"action": "drop", "embedder": embedder}
        for message in dispatch.call("db", arguments):
            if isinstance(message, Result):
                dropped = message.row["vectors"]
    before, after = _shrink()
    return [
        Result({"dropped": dropped, "before_bytes": before, "after_bytes": after, "error": None})
    ]


def _shrink() -> tuple[int, int]:
    """Shrink the store. Returns its size in bytes before and after.

    Replaces the whole file, so no other process may have it open.
    """
    from imgscore.store.lock import StoreLock
    from imgscore.store.store import Store

    connection = client.connect(paths.socket_path())
    if connection is not None:
        connection.close()
        say("imgscored is running, so the file keeps its size; the store reuses the freed space")
        say("  to shrink the file: imgscore stop, then imgscore db compact, then imgscore start")
        size = (paths.store_folder() / "data.mdb").stat().st_size
        return size, size
    with StoreLock(paths.data_folder()):
        folder = paths.store_folder()
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


def _checked(row: Row) -> str:
    return f"{row['what']}: {row['entries']}, {printable(row['error'] or 'ok')}"


def _backed_up(row: Row) -> str:
    return f"{printable(row['folder'])}: {row['bytes'] / 1e6:.1f} MB"


def _restored(row: Row) -> str:
    aside = f"; the old store is now {printable(row['set_aside'])}" if row["set_aside"] else ""
    return f"restored from {printable(row['restored'])}{aside}"


def _compacted(row: Row) -> str:
    dropped = f"{row['dropped']} vectors dropped; " if row["dropped"] else ""
    return f"{dropped}{row['before_bytes'] / 1e6:.1f} MB → {row['after_bytes'] / 1e6:.1f} MB"
