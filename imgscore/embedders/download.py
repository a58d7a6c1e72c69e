"""`imgscore model download`: fetch a model's files. No other module uses the network.

It writes one commit's files to `$XDG_DATA_HOME/imgscore/models/NAME` and compares each with the
hub's checksum. An interrupted download continues from the bytes on disk. This is own code because
huggingface_hub (tried: 0.28 and 2.4) starts each file again in a new process, and reports no
progress to its caller.
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
from imgscore.embedders.registry import model_folder
from imgscore.embedders.uform_spec import CONFIGS, TOKENIZER, open_folder
from imgscore.errors import ImgscoreError, UsageError

WEIGHTS = ("image_encoder.onnx", "text_encoder.onnx")
_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30  # without a byte from the server
_COMMIT_FILE = "commit"  # in the staging folder: the commit of its files
_COMMIT = re.compile(r"[0-9a-f]{40}")


class FileProgress(NamedTuple):
    """Bytes of a file that have been downloaded, and its size in bytes."""

    file: str
    done: int
    total: int


class _Remote(NamedTuple):
    """A file on the hub. `checksum`: sha256 of a large file, else git's blob sha1; in hex."""

    name: str
    url: str
    size: int
    checksum: str


def download(model: str, revision: str | None = None) -> Iterator[FileProgress]:
    """Download a model of the catalogue, unless it is installed and intact.

    revision: a commit, branch or tag instead of the catalogue's. The variable HF_ENDPOINT names
    another hub. Raises ImgscoreError, with a remedy, for each failure.
    """
    entry = catalogue.UFORM.get(model)
    if entry is None:
        raise UsageError(
            f"{model}: there is no such model to download",
            f"use one of: {', '.join(catalogue.UFORM)}",
        )
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read when huggingface_hub is imported
    target = model_folder(model)
    recorded = manifest.read(target)
    if recorded is not None and revision in (None, recorded.revision) and is_intact(target):
        return
    with _staging(target) as staging:
        with _translated_errors(model):
            commit, remotes = _look_up(entry.repository, revision or entry.revision)
            _discard_other_commit(staging, commit)
            files: dict[str, FileFacts] = {}
            for remote in remotes:
                yield from _download_file(staging, remote)
                checksum = manifest.sha256_of(staging / remote.name)
                files[remote.name] = FileFacts(remote.size, checksum)
        _check_same_files(model, commit, files, recorded)
        manifest.write(staging, Manifest(entry.repository, commit, files))
        open_folder(staging)  # raises if the folder is not a usable model
        (staging / _COMMIT_FILE).unlink()
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)


def is_intact(folder: Path) -> bool:
    """Whether each file of a downloaded folder has its recorded checksum. Reads all files."""
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
    """The folder that a download fills; locked, so that one process fills it at a time."""
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
def _translated_errors(model: str) -> Iterator[None]:
    """Raise each failure inside as an ImgscoreError with a remedy."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # The hub's client raises errors of its HTTP library, which is another one in each version. The
    # bases of HfHubHTTPError include that library's own base class.
    families: tuple[type[Exception], ...] = (OSError, *HfHubHTTPError.__bases__)
    again = f"imgscore model download {model}"
    try:
        yield
    except RevisionNotFoundError:
        raise ImgscoreError(
            f"{model}: the hub does not have the revision that was asked for",
            f"download the newest: {again} --revision main",
        ) from None
    except RepositoryNotFoundError:
        raise ImgscoreError(
            f"{model}: the hub does not have {catalogue.UFORM[model].repository}",
            "copy the model's files into a folder and use it: imgscore model use FOLDER",
        ) from None
    except OfflineModeIsEnabled:
        raise ImgscoreError(
            f"{model} cannot be downloaded: HF_HUB_OFFLINE is set", f"unset it, then: {again}"
        ) from None
    except urllib.error.HTTPError as error:
        with error:
            raise ImgscoreError(
                f"{model} could not be downloaded: the server answered {error.code} {error.reason}",
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
            "files from another machine and use their folder: imgscore model use FOLDER",
        ) from None


def _endpoint() -> str | None:
    """The hub that HF_ENDPOINT names; None for the default one."""
    return os.environ.get("HF_ENDPOINT") or None


def _look_up(repository: str, revision: str) -> tuple[str, list[_Remote]]:
    """The commit of a revision, and those of its files that a model needs."""
    from huggingface_hub import HfApi, hf_hub_url

    # token=False: do not send the user's token.
    api = HfApi(endpoint=_endpoint(), token=False)
    about = api.model_info(repository, revision=revision, files_metadata=True)
    listed = {file.rfilename: file for file in about.siblings or ()}
    config = next((name for name in CONFIGS if name in listed), None)
    commit = about.sha or ""
    if config is None or WEIGHTS[0] not in listed or not _COMMIT.fullmatch(commit):
        raise ImgscoreError(
            f"{repository} at {revision} has no UForm model in ONNX",
            "choose another revision with --revision",
        )
    remotes = []
    for name in (config, *(name for name in (TOKENIZER, *WEIGHTS) if name in listed)):
        file = listed[name]
        checksum = file.lfs.sha256 if file.lfs else file.blob_id
        if file.size is None or checksum is None:
            raise ImgscoreError(
                f"the hub gives no size or no checksum for {name}", "try again later"
            )
        url = hf_hub_url(repository, name, revision=commit, endpoint=_endpoint())
        remotes.append(_Remote(name, url, file.size, checksum))
    return commit, remotes


def _discard_other_commit(staging: Path, commit: str) -> None:
    """Delete the staged files if they belong to another commit; record this one."""
    file = staging / _COMMIT_FILE
    if not file.exists() or file.read_text() != commit:
        for stale in staging.iterdir():
            stale.unlink()
        file.write_text(commit)


def _download_file(staging: Path, remote: _Remote) -> Iterator[FileProgress]:
    """Download one file, continuing after the bytes that the last attempt left."""
    file = staging / remote.name
    if not file.exists():
        part = staging / f"{remote.name}.incomplete"
        with part.open("ab") as stream:
            done = stream.tell()
            chunks = _append_rest(remote, stream.fileno(), done) if done < remote.size else ()
            for done in chunks:
                yield FileProgress(remote.name, done, remote.size)
            if done < remote.size:
                raise OSError(f"the connection ended after {done} of {remote.size} bytes")
            os.fsync(stream.fileno())
        if done != remote.size or not _has_checksum(part, remote.checksum):
            part.unlink()
            raise ImgscoreError(
                f"{remote.name} arrived damaged: its checksum is not the hub's",
                "run the download again",
            )
        part.replace(file)
    yield FileProgress(remote.name, remote.size, remote.size)


def _append_rest(remote: _Remote, descriptor: int, start: int) -> Iterator[int]:
    """Append the bytes from `start` on to a file; yield its new size after each chunk."""
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={start}-"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        done = start
        if answer.status != 206 and start:
            os.ftruncate(descriptor, 0)  # the server ignored the range: it sends the whole file
            done = 0
        while chunk := answer.read(_CHUNK_BYTES):
            done += os.write(descriptor, chunk)
            yield done


def _has_checksum(file: Path, checksum: str) -> bool:
    """Whether a file has the hub's checksum: 64 digits are a sha256, 40 a git blob's sha1."""
    if len(checksum) == 64:
        return manifest.sha256_of(file) == checksum
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == checksum


def _check_same_files(
    model: str, commit: str, files: dict[str, FileFacts], recorded: Manifest | None
) -> None:
    """Raise ImgscoreError if a commit's files differ from those of its first download."""
    if recorded is not None and recorded.revision == commit and recorded.files != files:
        raise ImgscoreError(
            f"{model}: the hub gives other files for the same commit than at the first download",
            f"if you trust them, delete {model_folder(model)} and download it again",
        )
