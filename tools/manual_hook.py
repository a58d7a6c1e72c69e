"""mkdocs hook: adds the documents outside docs/ to the manual, and adapts the links.

Links in the documents fit the source tree, where a forge renders them; the manual has all pages in
one folder.
"""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = {name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")}
PAGES["contrib/README.md"] = "bridges.md"
"""The documents outside docs/, and their names in the manual."""


def on_files(files: Files, /, *, config: Any) -> Files:
    """Add the pages outside docs/."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """Change the links of a page to those of the manual."""
    for name, target in PAGES.items():
        markdown = markdown.replace(f"](../{name}", f"]({target}")
        if page.file.src_uri in PAGES.values():
            markdown = markdown.replace(f"]({name}", f"]({target}")
    if page.file.src_uri in PAGES.values():
        markdown = markdown.replace("](docs/", "](").replace("](../docs/", "](")
    return markdown
