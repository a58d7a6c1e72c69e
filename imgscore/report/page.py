"""One HTML file from the assets beside this one, the data and the figures. Pure but for the assets.

The browser is told to run this script and no other, whatever a file name holds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from importlib import resources

from imgscore.report import Row, svg
from imgscore.report.figures import Figure

SCRIPTS = (
    "data.js", "elements.js", "gallery.js", "viewer.js", "views.js", "review.js", "page.js",
)  # fmt: skip


def page(data: Row, figures: Sequence[Figure] = ()) -> str:
    """The page as text. `data`: as `content` makes it."""
    parts = {
        "kind": "review" if data["review"] else "report",
        "policy": policy_of(data),
        "style": _style(),
        "figures": "\n".join(svg.draw(one) for one in figures),
        # Within a script element only "<" could mean anything but itself.
        "data": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        "script": _script(),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def content(gathered: Row, told: Row, thumbnails: str, *, review: bool) -> Row:
    """What the page knows: `gathered` by a worker, and what the verb `told` of it.

    thumbnails: their folder, relative to the page.
    """
    kept = {name: value for name, value in gathered.items() if name not in ("evaluation", "heads")}
    return {
        **kept,
        "watches": told["watches"],
        "thumbnails": thumbnails,
        "review": review,
        "about": _about(gathered),
        "learned": _learned(gathered),
    }


def policy_of(data: Row) -> str:
    """What the page may do: run its own script, show images, and, if served, talk to its server."""
    images, server = ("'self'", "'self'") if data["review"] else ("'self' file:", "'none'")
    return (
        f"default-src 'none'; script-src '{_hash(_script())}'; "
        f"style-src '{_hash(_style())}'; "
        f"img-src {images} data:; connect-src {server}; "
        "base-uri 'none'; form-action 'none'"
    )


def _style() -> str:
    return _asset("page.css") + svg.DRAWING


def _script() -> str:
    return "\n".join(_asset(name) for name in SCRIPTS)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _about(gathered: Row) -> str:
    head = gathered["head"]
    if head is None:
        return f"taste {gathered['taste']}, no head yet"
    when = datetime.fromtimestamp(head["created_ns"] / 1e9)
    return (
        f"taste {gathered['taste']} · head {head['version']} of {when:%Y-%m-%d %H:%M}, "
        f"{head['labels']} labels"
    )


def _learned(gathered: Row) -> str:
    found = gathered["evaluation"]
    if found is None:
        return ""
    quality = found["quality"]
    auc = quality["auc"]
    text = (
        f"{quality['labels']} labels, {quality['keeps']} of them keep. Of a keep and a trash that "
        f"it has not seen, it ranks the keep first in {auc['value']:.1%} of all cases "
        f"({auc['low']:.1%} to {auc['high']:.1%})."
    )
    if found["doubled"] is not None:
        text += f" Twice as many labels would make that about {found['doubled']:.1%}."
    return text
