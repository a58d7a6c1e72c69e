"""order: set dates."""

from imgscore.cli.app import DryRun, Folder, Json, Section, app, run, text_of
from imgscore.cli.formatting import touched


@app.command(rich_help_panel=Section.ORDER)
def order(folder: Folder = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Put inboxes into score order now.

    Prints one line for each file whose date changes.
    """
    arguments = {"folder": text_of(folder), "dry_run": dry_run}
    run(
        "order",
        arguments,
        touched,
        as_json=as_json,
        nothing="everything is in order: no date has to change",
    )
