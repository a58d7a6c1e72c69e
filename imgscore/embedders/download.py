"""`model download`: the one place that uses the network, and only when it is called.

Writes one commit's files to `$XDG_DATA_HOME/imgscore/models/NAME` and checks each against the
hub's checksum. A download that was broken off is resumed from the bytes on disk; huggingface_hub
(tried: 0.28 and 2.4) starts a file anew in each process, and has no progress for a caller.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from imgscore.embedders import catalogue, manifest
from imgscore.embedders.manifest import FileFacts, Manifest
from imgscore.embedders.registry import installed_at
from imgscore.embedders.uform_spec import CONFIGS, TOKENIZER, open_folder
from imgscore.errors import ImgscoreError, UsageError

WEIGHTS = ("image_encoder.onnx", "text_encoder.onnx")
_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 30
# Which commit the staging folder's files are of.
_COMMIT_FILE = "commit"
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Received(NamedTuple):
    """How many bytes of which file are here."""

    file: str
    done: int
    total: int


class _Remote(NamedTuple):
    """A file as the hub describes it. `checksum`: sha256 of a large file, git's sha1, in hex."""

    name: str
    url: str
    size: int
    checksum: str


def download(model: str, revision: str | None = None) -> Iterator[Received]:
    """Fetch a model of the catalogue, unless it is here and whole. Raises ImgscoreError.

    `revision`: a commit, branch or tag instead of the catalogue's. HF_ENDPOINT names another hub.
    """
    entry = catalogue.UFORM.get(model)
    if entry is None:
        raise UsageError(
            f"{model}: there is no such model to download",
            f"one of: {', '.join(catalogue.UFORM)}",
        )
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read once, when huggingface_hub is imported
    target = installed_at(model)
    recorded = manifest.read(target)
    if recorded is not None and revision in (None, recorded.revision) and is_whole(target):
        return
    with _staging(target) as staging:
        with _explained(model):
            commit, remotes = _look_up(entry.repository, revision or entry.revision)
            _keep_only(staging, commit)
            files: dict[str, FileFacts] = {}
            for remote in remotes:
                yield from _fetch(staging, remote)
                checksum = manifest.sha256_of(staging / remote.name)
                files[remote.name] = FileFacts(remote.size, checksum)
        _agree(model, commit, files, recorded)
        manifest.write(staging, Manifest(entry.repository, commit, files))
        open_folder(staging)  # a folder that cannot be used is not put in place
        (staging / _COMMIT_FILE).unlink()
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)


def is_whole(folder: Path) -> bool:
    """Whether every file of a downloaded folder is what was recorded. Reads all of them."""
    recorded = manifest.read(folder)
    if recorded is None:
        return False
    try:
        return all(
            manifest.sha256_of(folder / name) == facts.sha256
            for name, facts in recorded.files.items()
        )
    except OSError:
        return False


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """The folder that a download fills, for one process at a time."""
    staging = target.with_name(f"{target.name}.part")
    try:
        staging.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ImgscoreError(
            f"{staging} cannot be written: {error.strerror}", "check the folder's permissions"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ImgscoreError(
                f"{target.name} is being downloaded by another imgscore", "wait for it to finish"
            ) from None
        yield staging
    finally:
        os.close(descriptor)


@contextmanager
def _explained(model: str) -> Iterator[None]:
    """What goes wrong on the way, said so that it helps."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # Whichever HTTP library the hub's client uses: a failed connection is an error of its family.
    families: tuple[type[Exception], ...] = (OSError, *HfHubHTTPError.__bases__)
    again = f"imgscore model download {model}"
    try:
        yield
    except RevisionNotFoundError:
        raise ImgscoreError(
            f"{model}: the hub does not have the revision that was asked for",
            f"take its newest: {again} --revision main",
        ) from None
    except RepositoryNotFoundError:
        raise ImgscoreError(
            f"{model}: the hub does not have {catalogue.UFORM[model].repository}",
            "copy the model's files into a folder, and use that: imgscore model use FOLDER",
        ) from None
    except OfflineModeIsEnabled:
        raise ImgscoreError(
            f"{model} cannot be downloaded: HF_HUB_OFFLINE is set", f"unset it, then: {again}"
        ) from None
    except urllib.error.HTTPError as error:
        with error:
            raise ImgscoreError(
                f"{model} could not be downloaded: the server answers {error.code} {error.reason}",
                f"try again later: {again}",
            ) from None
    except families as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ImgscoreError(
                f"{model}: the disk is full", f"free some space, then: {again}"
            ) from None
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ImgscoreError(
            f"{model} could not be downloaded: {reason}",
            "connect to the network and run it again: it goes on where it stopped; or copy the "
            "files from another machine and use that folder: imgscore model use FOLDER",
        ) from None


def _endpoint() -> str | None:
    """Another hub than the usual one."""
    return os.environ.get("HF_ENDPOINT") or None


def _look_up(repository: str, revision: str) -> tuple[str, list[_Remote]]:
    """The commit that a revision is, and those of its files that we need."""
    from huggingface_hub import HfApi, hf_hub_url

    # token=False: nothing of the user's goes along.
    api = HfApi(endpoint=_endpoint(), token=False)
    about = api.model_info(repository, revision=revision, files_metadata=True)
    there = {one.rfilename: one for one in about.siblings or ()}
    config = next((name for name in CONFIGS if name in there), None)
    commit = about.sha or ""
    if config is None or WEIGHTS[0] not in there or not _COMMIT.fullmatch(commit):
        raise ImgscoreError(
            f"{repository} at {revision} has no UForm model in ONNX",
            "take another revision with --revision",
        )
    remotes = []
    for name in (config, *(name for name in (TOKENIZER, *WEIGHTS) if name in there)):
        file = there[name]
        checksum = file.lfs.sha256 if file.lfs else file.blob_id
        if file.size is None or checksum is None:
            raise ImgscoreError(
                f"the hub gives no size or no checksum for {name}", "try again later"
            )
        url = hf_hub_url(repository, name, revision=commit, endpoint=_endpoint())
        remotes.append(_Remote(name, url, file.size, checksum))
    return commit, remotes


def _keep_only(staging: Path, commit: str) -> None:
    """Go on with what is there, if it is of this commit."""
    file = staging / _COMMIT_FILE
    if not file.exists() or file.read_text() != commit:
        for one in staging.iterdir():
            one.unlink()
        file.write_text(commit)


def _fetch(staging: Path, remote: _Remote) -> Iterator[Received]:
    """One file, from where the last try ended."""
    file = staging / remote.name
    if not file.exists():
        part = staging / f"{remote.name}.incomplete"
        with part.open("ab") as stream:
            done = stream.tell()
            for here in _receive(remote, stream.fileno(), done) if done < remote.size else ():
                done = here
                yield Received(remote.name, done, remote.size)
            if done < remote.size:
                raise OSError(f"the connection ended after {done} of {remote.size} bytes")
            os.fsync(stream.fileno())
        if done != remote.size or not _is_right(part, remote.checksum):
            part.unlink()
            raise ImgscoreError(
                f"{remote.name} arrived damaged: it is not what the hub says it is",
                "run the download again",
            )
        part.replace(file)
    yield Received(remote.name, remote.size, remote.size)


def _receive(remote: _Remote, descriptor: int, start: int) -> Iterator[int]:
    """Append what follows `start`; yields how much is there."""
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={start}-"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        done = start
        if answer.status != 206 and start:
            os.ftruncate(descriptor, 0)  # the server knows no ranges: from the beginning
            done = 0
        while chunk := answer.read(_CHUNK):
            done += os.write(descriptor, chunk)
            yield done


def _is_right(file: Path, checksum: str) -> bool:
    """Whether a file has the hub's checksum: sha256 of large files, git's blob sha1 of others."""
    if len(checksum) == 64:
        return manifest.sha256_of(file) == checksum
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == checksum


def _agree(model: str, commit: str, files: dict[str, FileFacts], recorded: Manifest | None) -> None:
    """The same commit must be the same files as the first time."""
    if recorded is not None and recorded.revision == commit and recorded.files != files:
        raise ImgscoreError(
            f"{model}: the hub gives other files for the same commit than the first time",
            f"if you trust them, delete {installed_at(model)} and download it again",
        )
