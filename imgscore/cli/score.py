"""score: how much you would like a file."""

from imgscore.cli.app import Files, Json, Taste, app, named, run


@app.command()
def score(files: Files, taste: Taste = None, as_json: Json = False) -> None:
    """How likely you would keep each file, from 0 to 1; it may lie anywhere."""
    arguments = {"files": [str(file) for file in files], "taste": taste}
    run("score", arguments, lambda row: named(row, f"{row['score'] or 0:.3f}"), as_json=as_json)
