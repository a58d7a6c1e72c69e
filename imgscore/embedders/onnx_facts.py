"""Find the input and output of an ONNX image encoder by one run in a process of its own.

The config of a model does not say which output of the graph is the embedding, nor its length.
onnxruntime can say it, but the daemon must not import onnxruntime. The result is stored beside the
other caches, with the sha256 of the weights. It is computed again when a weights file changes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from imgscore import paths
from imgscore.embedders import manifest
from imgscore.errors import ConfigError, ImgscoreError
from imgscore.fsutil import write_atomic

# The outputs that contain the vector of an image, in the order of preference. Exporters use these
# names. An encoder of open_clip has one output with any name.
POOLED = ("image_embeds", "image_embeddings", "image_features", "embedding", "pooler_output")
TOKENS = "last_hidden_state"
TEXT_INPUT, TEXT_OUTPUT = "input_ids", "text_embeds"
_SECONDS = 300
"""The time limit of the run in seconds. A model of 2 GB needs about 20 seconds to load."""


class Facts(msgspec.Struct, frozen=True):
    """The input and the output of an image encoder.

    source: the name of the input for pixels.
    output: the name of the output.
    tokens: whether the output is a vector for each token, [1, n, dim], instead of [1, dim].
    dim: the number of values in a vector of the output.
    texts: whether the same graph also encodes texts, as in optimum's exports of CLIP and SigLIP.
    """

    source: str
    output: str
    tokens: bool
    dim: int
    texts: bool = False


class _Record(msgspec.Struct, frozen=True):
    """A stored result, with the stat results of the files from which it was computed."""

    stats: list[tuple[str, int, int, int]]
    value: Any


Value = TypeVar("Value")


def facts_of(weights: Path, size: tuple[int, int]) -> Facts:
    """Return the facts of an image encoder. `size`: the width and height of its input in pixels.

    Raises ConfigError if the model cannot be run, or if no output is a vector.
    """

    def compute() -> Facts:
        command = [sys.executable, "-P", "-m", "imgscore.embedders.onnx_facts"]
        arguments = [os.fspath(weights), *(str(side) for side in size)]
        try:
            done = subprocess.run(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ConfigError(
                f"{weights} did not run within {_SECONDS} seconds", "use a smaller model"
            ) from None
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout, type=Facts)
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"its process ended with the status {done.returncode}"
        raise ConfigError(f"{weights} cannot be used: {reason}", "use another model")

    return _cached([weights], f"facts2-{size[0]}x{size[1]}", Facts, compute)


def sha256_of(files: Sequence[Path]) -> str:
    """Return the sha256 of weights in hex. For several files, the sha256 of the files' sha256.

    Raises ConfigError if a file cannot be read.
    """

    def compute() -> str:
        try:
            hashes = [manifest.sha256_of(file) for file in files]
        except OSError as error:
            raise ConfigError(
                f"{error.filename} cannot be read: {error.strerror}",
                "check the permissions of the file",
            ) from None
        if len(hashes) == 1:
            return hashes[0]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    return _cached(files, "sha256", str, compute)


def _cached(files: Sequence[Path], name: str, kind: type[Value], compute: Any) -> Value:
    """Return the stored value of `compute` for these files, or compute and store the value."""
    stats = []
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise ConfigError(
                f"{file} cannot be read: {error.strerror}", "check the permissions of the file"
            ) from None
        # JSON cannot contain the bytes of a name that is not UTF-8, so they are escaped.
        stats.append((ascii(os.fspath(file)), status.st_ino, status.st_size, status.st_mtime_ns))
    key = hashlib.blake2b(os.fsencode(files[0]) + name.encode(), digest_size=16).hexdigest()
    stored = paths.cache_folder() / "models" / f"{key}.json"
    try:
        record = msgspec.json.decode(stored.read_bytes(), type=_Record)
        if record.stats == stats:
            return msgspec.convert(record.value, kind)
    except (OSError, msgspec.DecodeError):
        pass
    value: Value = compute()
    try:
        stored.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(stored, msgspec.json.encode(_Record(stats, value)))
    except OSError:
        pass  # Without the cache, the value is computed again at the next start.
    return value


# ---- the process that runs the model


def measure(weights: Path, size: tuple[int, int]) -> Facts:
    """Run an image encoder once, and return its facts. Raises ImgscoreError if it is unusable."""
    import numpy as np

    from imgscore.embedders.onnx_session import make_session

    session = make_session(weights)
    inputs = inputs_for(session, size)
    source = next(iter(inputs))
    outputs = [output.name for output in session.get_outputs()]
    results = dict(zip(outputs, session.run(outputs, inputs), strict=True))
    vectors = [name for name in outputs if results[name].ndim == 2 and len(results[name]) == 1]
    pooled = next((name for name in POOLED if name in vectors), None)
    if pooled is None and len(vectors) == 1 and TOKENS not in results:
        pooled = vectors[0]
    if pooled is not None:
        output, tokens = pooled, False
    elif TOKENS in results and results[TOKENS].ndim == 3 and results[TOKENS].shape[1] > 1:
        output, tokens = TOKENS, True
    else:
        raise ImgscoreError(f"none of its outputs ({', '.join(outputs)}) is a vector of an image")
    if not np.isfinite(results[output]).all():
        raise ImgscoreError(f"its output {output} contains numbers that are not finite")
    texts = TEXT_OUTPUT in results and TEXT_INPUT in inputs
    return Facts(source, output, tokens, int(results[output].shape[-1]), texts)


def inputs_for(session: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Return inputs for one run of an image encoder: grey pixels first, then its other inputs.

    A graph with image and text encoder needs a text, too. The text does not change the vector of
    the image. Raises ImgscoreError if the graph has no input for pixels.
    """
    import numpy as np

    kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    width, height = size
    images: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for source in session.get_inputs():
        shape = source.shape
        if len(shape) == 4 and source.type in kinds:
            if isinstance(shape[1], int) and shape[1] != 3:
                raise ImgscoreError(
                    f"its input {source.name} has the shape {shape}, not [n, 3, h, w]"
                )
            images[source.name] = np.zeros((1, 3, height, width), kinds[source.type])
        elif len(shape) == 2 and source.type in ("tensor(int64)", "tensor(int32)"):
            length = shape[1] if isinstance(shape[1], int) else 2
            kind = np.int64 if source.type == "tensor(int64)" else np.int32
            others[source.name] = np.ones((1, length), kind)
        else:
            raise ImgscoreError(f"its input {source.name} ({source.type}) is unknown")
    if len(images) != 1:
        raise ImgscoreError(f"it has {len(images)} inputs for pixels instead of one")
    return {**images, **others}


def main() -> None:
    """Measure the model in the arguments, and write its facts to stdout as JSON."""
    weights, width, height = sys.argv[1:]
    try:
        facts = measure(Path(weights), (int(width), int(height)))
    # For a file that is not a model, onnxruntime raises exceptions of unrelated classes.
    except Exception as error:  # noqa: BLE001 - the caller shows the reason
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        raise SystemExit(1) from None
    sys.stdout.buffer.write(msgspec.json.encode(facts))


if __name__ == "__main__":
    main()
