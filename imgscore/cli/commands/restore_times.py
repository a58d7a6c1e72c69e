"""The command `restore-times`: restore the original dates."""

from imgscore.cli.app import DryRun, Folder, Json, Section, app, optional_text_of, prints, run
from imgscore.cli.formatting import touched
from imgscore.verbs.restore_times import Request, Response


@app.command("restore-times", rich_help_panel=Section.ORDER)
@prints(Response)
def restore_times(folder: Folder = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Restore the original date of every file.

    The automatic ordering of these files stops. To start it again, run `imgscore order`.
    """
    request = Request(optional_text_of(folder), dry_run)
    nothing = "every file has its original date"
    run(request, touched, as_json=as_json, nothing=nothing)
