"""resume: end a pause."""

from imgscore.cli.app import Json, Section, app, run


@app.command(rich_help_panel=Section.DAEMON)
def resume(as_json: Json = False) -> None:
    """End the pause of the daemon."""
    run("resume", {}, lambda row: row["state"], as_json=as_json)
