"""The examples of docs/api.md pass mypy --strict, and mistakes in the use of the API do not."""

import re
from pathlib import Path

import pytest
from mypy import api

PAGE = Path(__file__).parents[3] / "docs/api.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
MISTAKES = """
import imgscore

imgscore.opn()
with imgscore.open() as library:
    library.label("a.png")
    library.score(7)
    for file in library.score("a.png"):
        file.scroe
        file.score + 1
"""
LINES = {4, 6, 7, 9, 10}
"""The lines of MISTAKES with an error. In line 10, the score can be None."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def checked(text: str, folder: Path, cache: Path) -> str:
    """Return the messages of mypy about a script."""
    script = folder / "script.py"
    script.write_text(text)
    config = folder / "mypy.ini"
    config.write_text("[mypy]\nfollow_imports = silent\n")
    options = [f"--config-file={config}", f"--cache-dir={cache}", "--strict"]
    return api.run([*options, str(script)])[0]


def test_examples_of_the_api_page_are_typed(tmp_path: Path, cache: Path) -> None:
    functions = []
    for number, example in enumerate(EXAMPLES):
        body = "".join(f"    {line}\n" for line in example.splitlines())
        functions.append(f"def example_{number}() -> None:\n{body}")
    output = checked("\n".join(functions), tmp_path, cache)
    assert "Success" in output, output


def test_mistakes_in_the_use_of_the_api_are_errors(tmp_path: Path, cache: Path) -> None:
    output = checked(MISTAKES, tmp_path, cache)
    assert {int(line) for line in re.findall(r"script.py:(\d+): error", output)} == LINES, output
