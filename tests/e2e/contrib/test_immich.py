"""The bridge to immich, against a stand-in that checks requests as the OpenAPI document says."""

import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgscore.testing import Completed, run
from tests.conftest import put
from tests.support.commands import Start, imgscore
from tests.support.http_servers import Refusal, Request, serving

BRIDGE = Path(__file__).parents[3] / "contrib/immich/imgscore_immich.py"
KEY = "pFg4lbyYqwnKdTqFKOmQhXmKlp2dXEFQPMvZWSFn7c"
THERE = "/usr/src/app/upload"
SEARCH = {"type", "withExif", "size", "page"}
"""The fields of MetadataSearchDto that the bridge may use."""


class Immich:
    """The assets of an immich server. `page`: the number of assets in a page, at most."""

    def __init__(self, folder: Path, page: int = 1000) -> None:
        self.folder = folder
        self.page = page
        self.assets: dict[str, dict[str, Any]] = {}

    def add(self, path: Path) -> dict[str, Any]:
        """Add an asset; gives its response object."""
        asset = {
            "id": str(uuid.uuid4()),
            "type": "IMAGE",
            "originalPath": f"{THERE}/{path.relative_to(self.folder)}",
            "originalFileName": path.name,
            "exifInfo": {"make": None, "rating": None},
        }
        self.assets[asset["id"]] = asset
        return asset

    def answer(self, request: Request) -> tuple[int, Any]:
        """Answer a request."""
        if request.headers.get("x-api-key") != KEY:
            raise Refusal(401, "Invalid API key")
        match request.method, request.path:
            case "POST", "/api/search/metadata":
                return 200, {"albums": {}, "assets": self.search(request.body)}
            case "PUT", "/api/assets":
                self.update(request.body)
                return 204, None
        raise Refusal(404, f"Cannot {request.method} {request.path}")

    def search(self, body: dict[str, Any]) -> dict[str, Any]:
        size, page = body.get("size", 250), body.get("page", 1)
        for name, number, most in (("size", size, 1000), ("page", page, 10**6)):
            if not isinstance(number, int) or not 1 <= number <= most:
                raise Refusal(400, f"{name} must not be less than 1 or greater than {most}")
        if not set(body) <= SEARCH or body["type"] != "IMAGE":
            raise Refusal(400, f"wrong fields: {body}")
        size = min(size, self.page)
        everything = list(self.assets.values())
        items = everything[(page - 1) * size : page * size]
        if not body.get("withExif"):
            items = [{k: v for k, v in item.items() if k != "exifInfo"} for item in items]
        more = str(page + 1) if page * size < len(everything) else None
        return {"items": items, "count": len(items), "facets": [], "nextPage": more}

    def update(self, body: dict[str, Any]) -> None:
        rating = body["rating"]
        if type(rating) is not int or not 1 <= rating <= 5:
            raise Refusal(400, "rating must not be less than 1 or greater than 5")
        for identifier in body["ids"]:
            if str(uuid.UUID(identifier)) != identifier:
                raise Refusal(400, "each value in ids must be a UUID")
            if identifier not in self.assets:
                raise Refusal(400, "Not found or no asset.update access")
        for identifier in body["ids"]:
            self.assets[identifier]["exifInfo"]["rating"] = rating


@pytest.fixture
def immich(inbox: Path, tmp_path: Path, start: Start) -> Iterator[Immich]:
    """An immich server with six pictures of each kind; a daemon has learned from others."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 4):
            path.rename(inbox / folder / path.name)
    start().settle()
    folder = tmp_path / "photos of ü"
    folder.mkdir()
    server = Immich(folder, page=5)
    for path in [*put(folder, "sun", 6, first=30), *put(folder, "text", 6, first=30)]:
        server.add(path)
    yield server


def bridge(server: Immich, url: str, direction: str, key: str = KEY) -> Completed:
    """Run the bridge."""
    variables = [f"IMMICH_API_KEY={key}", f"XDG_STATE_HOME={os.environ['HOME']}/state"]
    command = ["env", *variables, sys.executable, "-W", "error", BRIDGE, direction]
    return run([*command, "--url", f"{url}/", "--map", THERE, server.folder])


def stars(server: Immich) -> list[int | None]:
    return [asset["exifInfo"]["rating"] for asset in server.assets.values()]


def labels(server: Immich) -> list[str | None]:
    paths = [server.folder / asset["originalFileName"] for asset in server.assets.values()]
    return [row["label"] for row in imgscore("score", "--json", *paths).rows]


def test_scores_become_stars_and_are_not_learned(immich: Immich) -> None:
    first = next(iter(immich.assets.values()))
    first["exifInfo"]["rating"] = 2  # a person's
    with serving(immich.answer) as (url, requests):
        done = bridge(immich, url, "stars")
        assert done.code == 0, done.out + done.err
        rated = stars(immich)
        assert rated[0] == 2 and None not in rated
        assert min(filter(None, rated[1:6])) > max(filter(None, rated[6:]))
        assert sum(request.method == "PUT" for request in requests) >= 2
        before = len([request for request in requests if request.method == "PUT"])
        assert bridge(immich, url, "stars").code == 0
        assert len([request for request in requests if request.method == "PUT"]) == before
        first["exifInfo"]["rating"] = None
        done = bridge(immich, url, "ratings")
        assert done.code == 0 and done.out == ""
    assert labels(immich) == [None] * 12


def test_stars_become_labels_and_changed_stars_are_learned(immich: Immich) -> None:
    assets = list(immich.assets.values())
    for number in range(1, 6):
        assets[number]["exifInfo"]["rating"] = number
    with serving(immich.answer) as (url, _):
        done = bridge(immich, url, "ratings")
        assert done.code == 0, done.out + done.err
        expected = [None, "trash", "trash", "undecided", "keep", "keep", *[None] * 6]
        assert labels(immich) == expected
        assert bridge(immich, url, "stars").code == 0
        assert stars(immich)[1:6] == [1, 2, 3, 4, 5]  # a person's ratings stay
        ours = assets[0]["exifInfo"]["rating"]
        assets[0]["exifInfo"]["rating"] = 1 if ours > 2 else 5  # the person disagrees
        assert bridge(immich, url, "ratings").code == 0
    assert labels(immich)[0] == ("trash" if ours > 2 else "keep")


def test_rejected_images_become_trash(immich: Immich) -> None:
    first = next(iter(immich.assets.values()))
    first["exifInfo"]["rating"] = -1  # immich before version 3
    with serving(immich.answer) as (url, _):
        done = bridge(immich, url, "ratings")
    assert done.code == 0, done.out + done.err
    assert labels(immich) == ["trash"] + [None] * 11


def test_failed_update_is_neither_learned_nor_lost(immich: Immich) -> None:
    real = immich.answer

    def failing(request: Request) -> tuple[int, Any]:
        if request.method == "PUT":
            raise Refusal(500, "Internal server error")
        return real(request)

    with serving(failing) as (url, _):
        done = bridge(immich, url, "stars")
        assert done.code == 1 and "500" in done.err and "Traceback" not in done.err
    with serving(immich.answer) as (url, _):
        assert bridge(immich, url, "ratings").out == ""
        assert bridge(immich, url, "stars").code == 0
    assert None not in stars(immich) and labels(immich) == [None] * 12


def test_files_that_are_not_on_this_machine_are_left_out(immich: Immich) -> None:
    names = list(immich.assets.values())
    (immich.folder / names[0]["originalFileName"]).unlink()
    names[1]["originalPath"] = "/mnt/other/a.jpg"
    with serving(immich.answer) as (url, _):
        assert bridge(immich, url, "stars").code == 0
    assert [rating is None for rating in stars(immich)] == [True, True, *[False] * 10]


def test_wrong_key_ends_the_bridge_with_an_error(immich: Immich) -> None:
    with serving(immich.answer) as (url, _):
        done = bridge(immich, url, "stars", key="wrong")
    assert done.code == 1 and "401" in done.err and "Traceback" not in done.err
    assert stars(immich) == [None] * 12


def test_state_names_only_ids_and_is_valid_json(immich: Immich) -> None:
    with serving(immich.answer) as (url, _):
        assert bridge(immich, url, "stars").code == 0
        state = json.loads(Path(os.environ["HOME"], "state/imgscore/immich.json").read_text())
        assert {tuple(value) for value in state[f"{url}/"].values()} <= {(n,) for n in range(1, 6)}
        assert set(state[f"{url}/"]) == set(immich.assets)
