"""scan: find new and changed images now."""

from imgscore.cli.app import DryRun, Folder, Json, Section, app, run, text_of
from imgscore.cli.output import printable
from imgscore.verbs.base import Row


@app.command(rich_help_panel=Section.ORDER)
def scan(folder: Folder = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Find new and changed images, and process them.

    Embeds, labels, scores and orders them.
    """
    arguments = {"folder": text_of(folder), "dry_run": dry_run}
    run("scan", arguments, _describe, as_json=as_json)


def _describe(row: Row) -> str:
    if "is" in row:
        return f"{row['is']:<4}  {printable(row['path'])}"
    return (
        f"{row['looked']} files read; {row['files']} images in the inbox, {row['scored']} scored, "
        f"{row['failed']} failed"
    )
