"""A bridge to immich: its star ratings become labels, and scores become star ratings.

It speaks the API of immich; README.md names the version and the permissions of the key.
"""

import argparse
import json
import os
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imgscore

PAGE = 1000  # the largest number of assets that immich lists in one page
SECONDS = 60  # the longest time to wait for an answer of the server

Asset = dict[str, Any]


class Server:
    """An immich server. `mapped`: (prefix there, prefix here) of the paths of original files."""

    def __init__(self, url: str, key: str, mapped: tuple[str, str]) -> None:
        self.url, self.key, self.mapped = url.rstrip("/"), key, mapped

    def send(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Send a request, and return the decoded answer, or None if it is empty."""
        request = urllib.request.Request(
            f"{self.url}/api{path}",
            json.dumps(body).encode(),
            {"x-api-key": self.key, "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            data = answer.read()
        return json.loads(data) if data else None

    def images(self) -> Iterator[dict[str, Asset]]:
        """Yield the images in pages: the path of the file on this machine → the asset."""
        page: str | None = "1"
        while page:
            body = {"type": "IMAGE", "withExif": True, "size": PAGE, "page": int(page)}
            assets = self.send("POST", "/search/metadata", body)["assets"]
            yield {
                path: asset
                for asset in assets["items"]
                if (path := self.path(asset["originalPath"])) is not None
            }
            page = assets["nextPage"]

    def path(self, path: str) -> str | None:
        """Return the path of a file on this machine; None if it is not there."""
        there, here = self.mapped
        if not path.startswith(there):
            return None
        mapped = here + path.removeprefix(there)
        return mapped if os.path.isfile(mapped) else None


class State:
    """The ratings that the bridge has set, so that it does not learn from them: id → stars.

    While a rating is sent, the old and the new number of stars are stored.
    """

    def __init__(self, file: Path, url: str) -> None:
        self._file = file
        self._all = json.loads(file.read_text()) if file.exists() else {}
        self.ours: dict[str, list[int]] = self._all.setdefault(url, {})

    def save(self, new: dict[str, list[int]]) -> None:
        """Store the ratings of some assets."""
        self.ours |= new
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps(self._all))
        temporary.replace(self._file)


def rating_of(asset: Asset) -> int | None:
    """Return the rating of an asset: 1 to 5, or -1 (rejected) in older versions of immich."""
    rating: int | None = (asset.get("exifInfo") or {}).get("rating")
    return rating or None


def read_ratings(server: Server, state: State) -> int:
    """Label the images that a person has rated. Return the number of files that failed."""
    failed = 0
    with imgscore.open() as library:
        for images in server.images():
            labelled: dict[str, list[str]] = defaultdict(list)
            for path, asset in images.items():
                rating = rating_of(asset)
                if rating is not None and rating not in state.ours.get(asset["id"], []):
                    labelled["trash" if rating < 0 else str(rating)].append(path)
            for label, files in labelled.items():
                for row in library.label(files, label):
                    failed += row.error is not None
                    print(f"{row.path!r}: {row.error or label}")
    return failed


def write_stars(server: Server, state: State) -> int:
    """Rate the images that no person has rated. Return the number of files without a score."""
    failed = 0
    with imgscore.open() as library:
        for images in server.images():
            unrated = {
                path: asset
                for path, asset in images.items()
                if rating_of(asset) in (None, *state.ours.get(asset["id"], []))
            }
            rated: dict[int, list[str]] = defaultdict(list)
            for (path, asset), row in zip(unrated.items(), library.score(unrated), strict=True):
                if row.score is None:
                    failed += 1
                    print(f"{path!r}: {row.error or f'no score yet, missing: {row.missing}'}")
                elif (stars := min(5, 1 + int(5 * row.score))) != rating_of(asset):
                    rated[stars].append(asset["id"])
            for stars, ids in rated.items():
                state.save({id: [*state.ours.get(id, [])[-1:], stars] for id in ids})
                server.send("PUT", "/assets", {"ids": ids, "rating": stars})
                state.save({id: [stars] for id in ids})
                print(f"{stars} stars: {len(ids)} images")
    return failed


def main() -> int:
    """Run the bridge once. The exit code is 1 if some files failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("direction", choices=("ratings", "stars"))
    parser.add_argument("--url", default="http://127.0.0.1:2283")
    parser.add_argument("--map", nargs=2, default=("", ""), metavar=("THERE", "HERE"))
    given = parser.parse_args()
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    server = Server(given.url, os.environ.get("IMMICH_API_KEY", ""), tuple(given.map))
    act = read_ratings if given.direction == "ratings" else write_stars
    try:
        return min(1, act(server, State(folder / "imgscore/immich.json", given.url)))
    except (OSError, ValueError, imgscore.errors.ImgscoreError) as error:
        sys.exit(f"{given.url}: {error}")


if __name__ == "__main__":
    sys.exit(main())
