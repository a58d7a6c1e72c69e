"""order and restore-times: set dates, and give them back."""

from datetime import datetime

from imgscore.cli.app import DryRun, Folder, Json, app, named, run, text_of
from imgscore.verbs.base import Row


@app.command()
def order(folder: Folder = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Bring inboxes into score order now; a line for each file whose date changes."""
    arguments = {"folder": text_of(folder), "dry_run": dry_run}
    run("order", arguments, touched, as_json=as_json, nothing="in order: no date has to change")


@app.command("restore-times")
def restore_times(folder: Folder = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Give every file its own date back. Nothing is ordered again until `imgscore order`."""
    arguments = {"folder": text_of(folder), "dry_run": dry_run}
    nothing = "every file has its own date"
    run("restore-times", arguments, touched, as_json=as_json, nothing=nothing)


def touched(row: Row) -> str:
    """A touch as text."""
    would = "would be " if row["dry_run"] else ""
    return named(row, f"{would}{_date(row['before_ns'])} → {_date(row['after_ns'])}")


def _date(nanoseconds: int | None) -> str:
    if nanoseconds is None:
        return "-"
    return datetime.fromtimestamp(nanoseconds // 10**9).strftime("%Y-%m-%d %H:%M:%S")
