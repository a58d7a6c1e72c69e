"""A bridge to the hydrus client: its ratings become labels, and scores become tags.

It speaks the Client API of hydrus; README.md names the version and the permissions of the key.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import imgscore

BATCH = 256  # the number of files in one request, as in the client itself
SECONDS = 60  # the longest time to wait for an answer of the client
LIKE, STARS, TAGS = 7, 6, 5  # the types of services: like/dislike, numerical ratings, local tags
NAMESPACE = "imgscore:"
STEP = 5  # the scores are rounded to this many percent, so that few tags change after a training

File = dict[str, Any]


class Client:
    """A hydrus client. `mapped`: (prefix there, prefix here) if its files have another path here"""

    def __init__(self, url: str, key: str, mapped: tuple[str, str] = ("", "")) -> None:
        self.url, self.key, self.mapped = url.rstrip("/"), key, mapped

    def send(self, path: str, body: Any = None, **arguments: Any) -> Any:
        """Send a request: POST if there is a body. Return the decoded answer, or None."""
        query = {k: v if isinstance(v, str) else json.dumps(v) for k, v in arguments.items()}
        request = urllib.request.Request(
            self.url + path + (f"?{urllib.parse.urlencode(query)}" if query else ""),
            None if body is None else json.dumps(body).encode(),
            {"Hydrus-Client-API-Access-Key": self.key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            data = answer.read()
        return json.loads(data) if data else None

    def service(self, name: str, *types: int) -> tuple[str, dict[str, Any]]:
        """Return the key of a service, and its description. `name`: its name or its key."""
        services = self.send("/get_services")["services"]
        fitting = {key: value for key, value in services.items() if value["type"] in types}
        for key, value in fitting.items():
            if name in (key, value["name"]):
                return key, value
        names = [value["name"] for value in fitting.values()]
        raise SystemExit(f"hydrus has no such service: {name}; give one of: {names}")

    def images(self, *predicates: str) -> Iterator[list[File]]:
        """Yield the metadata of the images that a search finds, in batches."""
        ids = self.send("/get_files/search_files", tags=predicates)["file_ids"]
        for at in range(0, len(ids), BATCH):
            answer = self.send("/get_files/file_metadata", file_ids=ids[at : at + BATCH])
            yield [f for f in answer["metadata"] if (f.get("mime") or "").startswith("image/")]

    def path(self, file: File) -> str | None:
        """Return the path of a file on this machine; None if hydrus does not have the file."""
        try:
            path: str = self.send("/get_files/file_path", file_id=file["file_id"])["path"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        there, here = self.mapped
        return here + path.removeprefix(there) if path.startswith(there) else path


def label_of(rating: Any, service: dict[str, Any]) -> str | None:
    """Return the label for a rating; None if the file is not rated."""
    if service["type"] == LIKE:
        return {True: "keep", False: "trash"}.get(rating)
    if rating is None:
        return None
    least, most = service.get("min_stars", 1), service["max_stars"]
    return str(1 + round(4 * (rating - least) / (most - least))) if most > least else "keep"


def read_ratings(client: Client, name: str) -> int:
    """Label the files that are rated in a service. Return the number of files that failed."""
    key, service = client.service(name, LIKE, STARS)
    failed = 0
    with imgscore.open() as library:
        for batch in client.images(f"system:has a rating for {service['name']}"):
            labelled: dict[str, list[str]] = defaultdict(list)
            for file in batch:
                label = label_of(file["ratings"].get(key), service)
                if label and (path := client.path(file)):
                    labelled[label].append(path)
            for label, files in labelled.items():
                for row in library.label(files, label):
                    failed += row.error is not None
                    print(f"{row.path!r}: {row.error or label}")
    return failed


def write_tags(client: Client, name: str, search: list[str]) -> int:
    """Tag files with their scores, such as imgscore:085. Return the number without a score."""
    key, _ = client.service(name, TAGS)
    failed = 0
    with imgscore.open() as library:
        for batch in client.images(*search):
            files = {path: file for file in batch if (path := client.path(file))}
            changes: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
            for path, row in zip(files, library.score(files), strict=True):
                if row.score is None:
                    failed += 1
                    print(f"{path!r}: {row.error or f'no score yet, missing: {row.missing}'}")
                    continue
                tag = f"{NAMESPACE}{STEP * round(100 * row.score / STEP):03}"
                tags = files[path]["tags"].get(key, {}).get("storage_tags", {}).get("0", [])
                old = tuple(sorted(t for t in tags if t.startswith(NAMESPACE) and t != tag))
                if old or tag not in tags:
                    changes[tag, old].append(files[path]["file_id"])
            for (tag, old), ids in changes.items():
                actions = {"0": [tag], "1": old} if old else {"0": [tag]}
                update = {"file_ids": ids, "service_keys_to_actions_to_tags": {key: actions}}
                client.send("/add_tags/add_tags", update)
                print(f"{tag}: {len(ids)} files")
    return failed


def main() -> int:
    """Run the bridge once. The exit code is 1 if some files failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("direction", choices=("ratings", "tags"))
    parser.add_argument("service", help="the name of the rating service, or of the tag service")
    parser.add_argument("--url", default="http://127.0.0.1:45869")
    parser.add_argument("--search", action="append", help="tag these files: system:inbox …")
    parser.add_argument("--map", nargs=2, default=("", ""), metavar=("THERE", "HERE"))
    given = parser.parse_args()
    client = Client(given.url, os.environ.get("HYDRUS_ACCESS_KEY", ""), tuple(given.map))
    try:
        if given.direction == "ratings":
            return min(1, read_ratings(client, given.service))
        return min(1, write_tags(client, given.service, given.search or ["system:inbox"]))
    except (OSError, imgscore.errors.ImgscoreError) as error:
        sys.exit(f"{given.url}: {error}")


if __name__ == "__main__":
    sys.exit(main())
