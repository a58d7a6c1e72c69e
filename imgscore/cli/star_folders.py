"""The option `--stars N=DIR` of the commands `init` and `import-labels`."""

from collections.abc import Iterable
from typing import get_args

from imgscore.cli.output import printable
from imgscore.config import Stars
from imgscore.errors import UsageError


def by_stars(texts: Iterable[str]) -> dict[Stars, list[str]]:
    """Return the folders of texts such as "4=good", by the stars.

    Raises UsageError if a text has another form.
    """
    folders: dict[Stars, list[str]] = {}
    for text in texts:
        given, equals, folder = text.partition("=")
        number = next((stars for stars in get_args(Stars) if stars == given), None)
        if number is None or not equals or not folder.strip():
            raise UsageError(
                f"--stars {printable(text)}: this is not a number of stars and a folder",
                "write for example --stars 4=good; the numbers are 1 to 5, and -1",
            )
        folders.setdefault(number, []).append(folder)
    return folders
