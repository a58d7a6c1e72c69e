"""The command `scan`: find new and changed images now."""

from imgscore.cli.app import DryRun, Folder, Json, Section, app, optional_text_of, prints, run
from imgscore.cli.path_text import short
from imgscore.verbs.scan import ChangedFile, Request, Response


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def scan(folder: Folder = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Find new and changed images, and process them.

    imgscore embeds, scores and orders the images, and learns from those in keep/ and trash/.
    """
    run(Request(optional_text_of(folder), dry_run), _describe, as_json=as_json)


def _describe(row: Response) -> str:
    if isinstance(row, ChangedFile):
        return f"{row.is_:<4}  {short(row.path)}"
    return (
        f"{row.looked} files read; {row.files} images in the inbox, {row.scored} scored, "
        f"{row.failed} failed"
    )
