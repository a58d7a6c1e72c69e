"""mkdocs hook: adds the documents at the repository's root to the manual, and adapts the links.

Links in the documents fit the source tree, where a forge renders them; the manual has all pages in
one folder.
"""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


def on_files(files: Files, /, *, config: Any) -> Files:
    """Add the pages at the root."""
    for name in ROOT_PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """Change the links of a page to those of the manual."""
    if page.file.src_uri in ROOT_PAGES:
        return markdown.replace("](docs/", "](")
    for name in ROOT_PAGES:
        markdown = markdown.replace(f"](../{name}", f"]({name}")
    return markdown
