"""restore-times: restore the original dates."""

from imgscore.cli.app import DryRun, Folder, Json, Section, app, run, text_of
from imgscore.cli.formatting import touched


@app.command("restore-times", rich_help_panel=Section.ORDER)
def restore_times(folder: Folder = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Restore the original date of every file.

    Nothing is ordered again until you run `imgscore order`.
    """
    arguments = {"folder": text_of(folder), "dry_run": dry_run}
    nothing = "every file has its original date"
    run("restore-times", arguments, touched, as_json=as_json, nothing=nothing)
