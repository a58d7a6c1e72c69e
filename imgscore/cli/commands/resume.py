"""The command `resume`: end a pause."""

from imgscore.cli.app import Json, Section, app, prints, run
from imgscore.verbs.resume import Request, Response


@app.command(rich_help_panel=Section.DAEMON)
@prints(Response)
def resume(as_json: Json = False) -> None:
    """End the pause of the daemon."""
    run(Request(), lambda row: row.state, as_json=as_json)
