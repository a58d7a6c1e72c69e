"""Make the HTML text of a page from the data, the figures, and the files beside this module: a
template, scripts and a style sheet.

The security policy of the page allows the browser to run only the script of the page. The browser
therefore never runs code that is hidden in a file name.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib import resources

from imgscore.grades import OF_STARS
from imgscore.heads.results import PairQuality
from imgscore.report import svg
from imgscore.report.bundle import bundle
from imgscore.report.data import Contents, PageData, ReportData, WatchFolders, dump
from imgscore.report.figures import Figure


def page(data: PageData, figures: Sequence[Figure] = ()) -> str:
    """Return the HTML of the page."""
    parts = {
        "kind": "review" if data.review else "report",
        "policy": policy_of(data),
        "style": _style(),
        "figures": "\n".join(map(svg.draw, figures)),
        # Escape every "<", because the data is inside a script element. The data could otherwise
        # contain the end tag of this element.
        "data": dump(data).replace("<", "\\u003c"),
        "script": _script(),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _asset("page.html"))


def page_data(
    data: ReportData,
    watches: Sequence[WatchFolders],
    thumbnails: str,
    *,
    review: bool,
    version: str = "",
    tab: str = "order",
) -> PageData:
    """Return the data for the script of the page.

    `thumbnails`: the folder of the thumbnails, relative to the folder of the page. `version`: the
    version of the order, in a review. `tab`: the tab that the page shows at first.
    """
    return PageData(
        **{name: getattr(data, name) for name in Contents.__struct_fields__},
        watches=list(watches),
        thumbnails=thumbnails,
        review=review,
        version=version,
        about=_about(data),
        learned=_learned(data),
        doubled=data.evaluation.doubled if data.evaluation else None,
        stars={str(stars): grade for stars, grade in OF_STARS.items() if stars > 0},
        tab=tab,
    )


def policy_of(data: PageData) -> str:
    """Return the Content-Security-Policy of the page.

    The policy allows the script and the style of the page, and images. The page of `imgscore
    review` may also connect to the server that sent it.
    """
    images, server = ("'self'", "'self'") if data.review else ("'self' file:", "'none'")
    return (
        f"default-src 'none'; script-src '{_hash(_script())}'; "
        f"style-src '{_hash(_style())}'; "
        f"img-src {images} data:; connect-src {server}; "
        "base-uri 'none'; form-action 'none'"
    )


def _style() -> str:
    return _asset("page.css") + svg.DRAWING


@cache
def _script() -> str:
    return bundle("page.js", _asset)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _about(data: ReportData) -> str:
    head = data.head
    if head is None:
        return f"taste {data.taste}, no head yet"
    when = datetime.fromtimestamp(head.created_ns / 1e9)
    return (
        f"taste {data.taste} · head {head.version} of {when:%Y-%m-%d %H:%M}, {head.labels} labels"
    )


def _learned(data: ReportData) -> str:
    evaluation = data.evaluation
    if evaluation is None:
        return ""
    quality, pairs = evaluation.quality, evaluation.pairs
    if quality is None:
        return f"{pairs.comparisons} comparisons." + _predicted(pairs) if pairs else ""
    text = f"{quality.labels} labels, {quality.keeps} of them keep"
    text += f", {quality.undecided} undecided." if quality.undecided else "."
    if quality.compared is not None:
        pair, better = (
            ("an image with the label keep and an image with the label trash", "keep image")
            if quality.measure == "AUC"
            else ("two images with different grades", "image with the higher grade")
        )
        share = quality.compared
        text += (
            f" If {pair} were not used for the training, the {better} has the higher score in "
            f"{share.value:.1%} of all cases ({share.low:.1%} to {share.high:.1%})."
        )
    if evaluation.doubled is not None:
        text += f" With twice as many labels, this share would be about {evaluation.doubled:.1%}."
    return text + (_predicted(pairs) if pairs else "")


def _predicted(pairs: PairQuality) -> str:
    """Return a sentence about the share of comparisons that held-out scores predict."""
    share = pairs.accuracy
    if share is None:
        return ""
    return (
        " If two images that you compared were not used for the training, the better image has the "
        f"higher score in {share.value:.1%} of all cases ({share.low:.1%} to {share.high:.1%})."
    )
