"""The worker process. It reads tasks from stdin, writes answers to stdout, and exits when stdin
closes.

The kernel enforces the limits of the process. An alarm ends the process if a task takes too long.
RLIMIT_DATA limits the memory. Landlock allows writes only to the heads and the caches. The caches
include a private temporary folder of each worker. The trainer, which decodes no images, may also
write to the backups, and to the folders of links of the config. The reason for these limits: a
hostile image can take control of a decoder. Even then, Landlock protects the user's files and the
backups from changes.
"""

import contextlib
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from imgscore import paths
from imgscore.errors import ImgscoreError, ModelError, kind_of
from imgscore.heads.base import OnProgress
from imgscore.images import memory
from imgscore.images.memory import NeedsMemoryError
from imgscore.system import accelerators
from imgscore.system.landlock import confine_writes
from imgscore.workers import frames, messages, precompile, temporary
from imgscore.workers.context import Context
from imgscore.workers.endings import seconds_of

PROGRESS_SECONDS = 1.0
"""The smallest number of seconds between two reports of progress. A progress bar needs no more
reports, and each report wakes the daemon."""


def _answers(context: Context, task: messages.Task) -> Iterator[messages.Answer]:
    """Import and call the handler of a task. Yield the answer, or each part of the answer."""
    module, function = task.handler.split(":")
    answer = getattr(import_module(f"imgscore.workers.{module}"), function)(context, task)
    if isinstance(answer, Iterator):
        yield from answer
    else:
        yield answer


def _attempt(
    context: Context, task: messages.Task, work: Callable[[], Any] | None = None
) -> Iterator[Any]:
    """Do a task, and yield the answer, or each part of the answer. Yield the notices for the user
    before the answer.

    `work`: a function that does a part of the task. Its result is yielded. None means the handler
    of the task.

    If the handler raises an ImgscoreError or a MemoryError, yield an answer that describes the
    error. So does any other error of a task that reads no file. If the task reads a file, any other
    error ends the worker, and the pool answers for the worker.
    """
    try:
        for answer in _answers(context, task) if work is None else [work()]:
            while context.notes:
                yield messages.Notice(*context.notes.popitem())
            yield answer
    except (NeedsMemoryError, MemoryError):
        if context.low_memory:
            yield messages.NeedsMemory()
        else:
            yield messages.Refused("needs too much memory", "free some memory, then try again")
    except ModelError as error:
        yield messages.ModelUnavailable(_sendable(error.message), _sendable(error.remedy))
    except ImgscoreError as error:
        reason, remedy = _sendable(error.message), _sendable(error.remedy)
        yield messages.Refused(reason, remedy, kind_of(error))
    except Exception as error:
        if isinstance(task, messages.FileTask):
            raise
        traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split())
        yield messages.Refused(_sendable(text), "report this error of imgscore with its log")


def _sendable(text: str) -> str:
    """Return `text` with escapes for the bytes that are not UTF-8.

    Messages must be UTF-8, but file names can contain such bytes.
    """
    return text.encode("utf-8", "backslashreplace").decode()


def serve(context: Context, file_seconds: int, *, prepares: bool) -> None:
    """Answer tasks until stdin closes.

    `prepares`: whether to load the embedder before the first task is read. If a task is already
    waiting at the start, the embedder is not loaded in advance.
    """
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    if prepares and not select.select([stdin], [], [], 0)[0]:
        from imgscore.workers.index_file import prepare

        prepare(context)

    def send(answer: messages.Answer) -> None:
        stdout.write(frames.frame(answer))
        stdout.flush()

    send(messages.Ready())
    context.on_progress = _progress_sender(send)
    while (task := frames.read_task(stdin)) is not None:
        # The default action of SIGALRM ends the process even inside a decoder's C code.
        signal.alarm(seconds_of(task, file_seconds))
        for answer in _attempt(context, task):
            send(answer)
        signal.alarm(0)


def serve_with_device(context: Context, file_seconds: int, descriptors: str) -> None:
    """Answer tasks until stdin closes. The device process computes the images.

    `descriptors`: the numbers of the socket and of the memory for the connection.
    """
    from imgscore.workers.device_link import open_link
    from imgscore.workers.linked_worker import LinkedWorker

    connection, memory = map(int, descriptors.split(","))
    try:
        link = open_link(connection, memory, context.preprocessor)
    except ImgscoreError:
        # The first task will report that the model is unusable.
        serve(context, file_seconds, prepares=False)
        return
    os.write(sys.stdout.fileno(), frames.frame(messages.Ready()))
    LinkedWorker(context, link, _attempt, sys.stdout.fileno(), file_seconds).serve(0)


def _progress_sender(send: Callable[[messages.Answer], None]) -> OnProgress:
    """Return a function that sends the progress of a task, at most once in PROGRESS_SECONDS."""
    sent_at = time.monotonic()

    def send_progress(done: int, total: int) -> None:
        nonlocal sent_at
        if time.monotonic() - sent_at >= PROGRESS_SECONDS:
            sent_at = time.monotonic()
            send(messages.Progressed(done, total))

    return send_progress


def _confine(store: Path, heads: Path, link_folders: Iterable[Path], *, decodes: bool) -> None:
    precompile.compile_once()
    allowed = [heads, paths.cache_folder()]
    if not decodes:
        allowed.append(paths.backups_folder())
    for folder in allowed:
        # If the folder cannot be created, ignore the error here. The first write into the folder
        # will fail and report an error.
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The trainer may train on an accelerator. A worker that decodes files must not reach it.
    drivers = accelerators.written_by_this_process() if accelerators.is_present() else ()
    # A worker reads the store, and every reader must write to LMDB's lock file.
    confine_writes([*allowed, *link_folders, store / "lock.mdb"], () if decodes else drivers)


def main() -> None:
    """Run the worker process.

    The arguments are those that `process.start` passes to `python -m imgscore.workers.worker`.
    """
    store, heads, model, device, file_seconds, max_bytes, embedder, names, *rest = sys.argv[1:]
    low_memory, descriptors, *link_folders = rest
    # Libraries may print to stdout. Redirect such output to stderr, and keep stdout for the
    # answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(answers, "w")
    if int(max_bytes):
        memory.set_hard_limit(int(max_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _confine(Path(store), Path(heads), map(Path, link_folders), decodes=bool(int(max_bytes)))
    folder = temporary.make_folder()
    try:
        context = Context(
            Path(store),
            Path(heads),
            model,
            device,
            embedder or None,
            use_filename="auto" if names == "auto" else names == "true",
            low_memory=int(low_memory),
        )
    except ImgscoreError as error:
        refused = messages.Refused(_sendable(error.message), _sendable(error.remedy))
        os.write(answers, frames.frame(refused))
        sys.exit(f"{error.message}: {error.remedy}")
    with contextlib.suppress(BrokenPipeError):  # The parent process has ended.
        memory.set_headroom(context.low_memory)
        if descriptors:
            serve_with_device(context, int(file_seconds), descriptors)
        else:
            serve(context, int(file_seconds), prepares=bool(int(max_bytes)))
    temporary.delete_folder(folder)
    # End the process at once. A normal exit would first unload the libraries, which takes time. No
    # clean-up is needed, because the store is opened as read-only.
    os._exit(0)


if __name__ == "__main__":
    main()
