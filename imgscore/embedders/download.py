"""Fetch the files of a model, for `imgscore model download`.

No other module uses the network. The download writes the files of one commit to
`$XDG_DATA_HOME/imgscore/models/NAME`. It compares each file with the checksum on the hub. An
interrupted download continues after the bytes on disk.

huggingface_hub (versions 0.28 and 2.4 were tried) is not used to download the files. In a new
process, it downloads each file from the beginning again. It also reports no progress to the caller.
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from imgscore.embedders import backends, catalogue, hub_files, manifest, registry
from imgscore.embedders.manifest import FileFacts, Manifest
from imgscore.embedders.registry import model_folder
from imgscore.errors import ImgscoreError, UsageError
from imgscore.system import accelerators

_READ_BYTES = 1 << 20
# A download fails if the server sends no byte for this number of seconds.
_TIMEOUT_SECONDS = 30
# This file in the staging folder contains the commit of the other files.
_COMMIT_FILE = "commit"
_COMMIT = re.compile(r"[0-9a-f]{40}")


class FileProgress(NamedTuple):
    """The progress of one file: the number of downloaded bytes, and the size in bytes."""

    file: str
    done: int
    total: int


class _Remote(NamedTuple):
    """A file on the hub.

    `size`: the size of the file in bytes.
    `checksum`: the sha256 of a large file or git's blob sha1 of a small file, in hex.
    """

    name: str
    url: str
    size: int
    checksum: str


def download(model: str, revision: str | None = None) -> Iterator[FileProgress]:
    """Download a model. Do nothing if the model is installed and intact.

    `model`: a name of the catalogue, or `hf:OWNER/NAME` for a repository of the hub.
    `revision`: a commit, branch or tag of the hub. None means the revision in the catalogue.
    For a repository outside of the catalogue, None means the installed commit, or else "main".

    The environment variable HF_ENDPOINT may contain the address of another hub. Yields the progress
    of each file. Raises ImgscoreError with a remedy for each failure.
    """
    entry, repository = catalogue.UFORM.get(model), registry.hub_repository(model)
    if entry is not None:
        repository, default = entry.repository, entry.revision
    elif repository is not None:
        default = "main"
    else:
        raise UsageError(
            f"{model}: there is no such model to download",
            f"use one of: {', '.join(catalogue.UFORM)}; or hf:OWNER/NAME",
        )
    # Set this variable before huggingface_hub is imported, because it is read during the import.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    target = model_folder(model)
    recorded = manifest.read(target)
    if recorded is not None and revision in (None, recorded.revision) and is_intact(target):
        return
    with _staging(target) as staging:
        with _translated_errors(model, repository):
            commit, remotes = _look_up(repository, revision or default)
            _discard_other_commit(staging, commit)
            files: dict[str, FileFacts] = {}
            for remote in remotes:
                yield from _download_file(staging, remote)
                checksum = manifest.sha256_of(staging / remote.name)
                files[remote.name] = FileFacts(remote.size, checksum)
        _check_same_files(model, commit, files, recorded)
        if entry is not None and revision is None:
            _check_witness(model, entry, files)
        manifest.write(staging, Manifest(repository, commit, files))
        # This call raises an error if the folder is not a usable model.
        registry.open_folder(staging)
        (staging / _COMMIT_FILE).unlink()
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)


def is_intact(folder: Path) -> bool:
    """Return whether each file of a downloaded model has the checksum in the manifest.

    The function reads the files completely.
    """
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
    """Yield the folder to which a download of the model folder `target` writes the files.

    The folder is locked, so that only one process at a time can write to it.
    """
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
                f"{target.name} is being downloaded by another imgscore",
                "wait until that download has finished",
            ) from None
        yield staging
    finally:
        os.close(descriptor)


@contextmanager
def _translated_errors(model: str, repository: str) -> Iterator[None]:
    """Convert each exception of the with block to an ImgscoreError with a remedy."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # The client of the hub raises the errors of its HTTP library. Different versions of the client
    # use different libraries. The bases of HfHubHTTPError include the base class of these errors.
    families: tuple[type[Exception], ...] = (OSError, *HfHubHTTPError.__bases__)
    again = f"imgscore model download {model}"
    try:
        yield
    except RevisionNotFoundError:
        raise ImgscoreError(
            f"{model}: the hub does not have this revision",
            f"download the newest revision: {again} --revision main",
        ) from None
    except RepositoryNotFoundError:
        raise ImgscoreError(
            f"{model}: the hub does not have {repository}",
            "copy the files of the model into a folder, then: imgscore model use FOLDER",
        ) from None
    except OfflineModeIsEnabled:
        raise ImgscoreError(
            f"{model} cannot be downloaded: HF_HUB_OFFLINE is set",
            f"unset HF_HUB_OFFLINE, then: {again}",
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
                f"{model}: the disk is full", f"free some disk space, then: {again}"
            ) from None
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ImgscoreError(
            f"{model} could not be downloaded: {reason}",
            "connect to the network and run the command again; it continues the download. Or copy "
            "the files from another machine, then: imgscore model use FOLDER",
        ) from None


def _endpoint() -> str | None:
    """Return the address of the hub from HF_ENDPOINT, or None for the default hub."""
    return os.environ.get("HF_ENDPOINT") or None


def _look_up(repository: str, revision: str) -> tuple[str, list[_Remote]]:
    """Return the commit of a revision, and the files of this commit that a model needs."""
    from huggingface_hub import HfApi, hf_hub_url

    # token=False means that the user's token is not sent.
    api = HfApi(endpoint=_endpoint(), token=False)
    about = api.model_info(repository, revision=revision, files_metadata=True)
    listed = {file.rfilename: file for file in about.siblings or ()}
    commit = about.sha or ""
    tensors = backends.torch_device("auto") is not None and accelerators.is_present()
    names = hub_files.wanted_files(listed.keys(), tensors=tensors)
    if not names or not _COMMIT.fullmatch(commit):
        raise ImgscoreError(
            f"{repository} at {revision} has no model in ONNX in a layout that imgscore supports",
            "choose another revision with --revision, or another repository that contains "
            "image_encoder.onnx, onnx/vision_model.onnx or visual/model.onnx",
        )
    remotes = []
    for name in names:
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
    """If the staged files belong to another commit, delete them and store the new commit."""
    file = staging / _COMMIT_FILE
    if not file.exists() or file.read_text() != commit:
        for stale in staging.iterdir():
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        file.write_text(commit)


def _download_file(staging: Path, remote: _Remote) -> Iterator[FileProgress]:
    """Download one file, and yield its progress.

    The download continues after the bytes that an earlier attempt has stored.
    """
    file = staging / remote.name
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
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
                f"{remote.name} arrived damaged: its checksum differs from the checksum on the hub",
                "run the command again",
            )
        part.replace(file)
    yield FileProgress(remote.name, remote.size, remote.size)


def _append_rest(remote: _Remote, descriptor: int, start: int) -> Iterator[int]:
    """Download the bytes from `start` to the end of a file, and append them to the local file.

    Yields the new size of the local file after each chunk.
    """
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={start}-"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        done = start
        if answer.status != 206 and start:
            # The server ignored the range and sends the whole file. Delete the bytes of earlier
            # attempts.
            os.ftruncate(descriptor, 0)
            done = 0
        while chunk := answer.read(_READ_BYTES):
            done += os.write(descriptor, chunk)
            yield done


def _has_checksum(file: Path, checksum: str) -> bool:
    """Return whether a file has the checksum that the hub reports.

    A checksum with 64 digits is a sha256. A checksum with 40 digits is the sha1 of a git blob.
    """
    if len(checksum) == 64:
        return manifest.sha256_of(file) == checksum
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == checksum


def _check_witness(model: str, entry: catalogue.Entry, files: Mapping[str, FileFacts]) -> None:
    """Raise ImgscoreError if a file differs from the sha256 in the catalogue."""
    for name, expected in entry.sha256.items():
        if name in files and files[name].sha256 != expected:
            raise ImgscoreError(
                f"{model}: {name} on the hub differs from the file that imgscore knows",
                f"if you trust the newest files, name them: imgscore model download {model} "
                "--revision main",
            )


def _check_same_files(
    model: str, commit: str, files: dict[str, FileFacts], recorded: Manifest | None
) -> None:
    """Raise ImgscoreError if the files of a commit have changed since the first download."""
    if recorded is not None and recorded.revision == commit and recorded.files != files:
        raise ImgscoreError(
            f"{model}: the files of this commit on the hub have changed since the first download",
            f"if you trust these files, move {model_folder(model)} elsewhere and download again",
        )
