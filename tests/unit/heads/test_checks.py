"""A head file that is damaged, hostile or no regular file is refused where it is read."""

import itertools
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from imgscore.errors import ImgscoreError, StoreError
from imgscore.heads.base import Scores
from imgscore.heads.checks import checked
from imgscore.heads.files import load, save
from imgscore.heads.mlp import MlpHead
from imgscore.heads.training import train

Arrays = dict[str, Any]
WIDTH = 40


@pytest.fixture
def parts(made_up, tmp_path: Path) -> Callable[[str], tuple[Arrays, dict[str, Any]]]:
    """parts(kind): the arrays and the header of a good head."""

    def read(kind: str) -> tuple[Arrays, dict[str, Any]]:
        path = tmp_path / f"{kind}.safetensors"
        if kind == "kernel":
            save(train(made_up(20)).head, path)
        else:
            random = np.random.default_rng(0)
            widths = (WIDTH, 8, 8, 1)
            layers = tuple(
                (random.random((end, start), np.float32), random.random(end, np.float32))
                for start, end in itertools.pairwise(widths)
            )
            rest = np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32)
            save(MlpHead("made-up", {"standardise": False}, layers, *rest), path)
        with safe_open(path, framework="numpy") as file:
            about = json.loads(file.metadata()["imgscore"])
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118

    return read


def write(path: Path, arrays: Arrays, about: dict[str, Any]) -> Path:
    save_file(arrays, path, {"imgscore": json.dumps(about)})
    return path


@pytest.mark.parametrize("kind", ["kernel", "mlp"])
@pytest.mark.parametrize("value", [3e38, -3e38, np.inf, np.nan])
def test_load_one_hostile_weight_anywhere_is_refused(
    parts, tmp_path: Path, kind: str, value: float
) -> None:
    arrays, about = parts(kind)
    load(write(tmp_path / "good", arrays, about))
    for name, array in arrays.items():
        if array.size:
            changed = array.astype(np.float32)
            changed.flat[array.size // 2] = value
            with pytest.raises(StoreError):
                load(write(tmp_path / "bad", arrays | {name: changed}, about))


@pytest.mark.parametrize("kind", ["kernel", "mlp"])
def test_load_wrong_shapes_and_types_are_refused(parts, tmp_path: Path, kind: str) -> None:
    arrays, about = parts(kind)
    for name, array in arrays.items():
        for changed in (
            array[..., None], array.reshape(-1)[:-1], array[:0], array.astype(np.int32),
            array.astype(np.float64).T[..., :1],
        ):  # fmt: skip
            if changed.shape != array.shape or changed.dtype.kind != "f":
                with pytest.raises((StoreError, ImgscoreError)):
                    load(
                        write(
                            tmp_path / "bad", {**arrays, name: np.ascontiguousarray(changed)}, about
                        )
                    )


@pytest.mark.parametrize(
    "values",
    [
        {"spans": [[0, 41]]}, {"spans": [[-1, 20], [20, 40]]}, {"spans": [[0, 30], [20, 40]]},
        {"spans": []}, {"spans": [[0, 10**30]]}, {"weights": [1e30, 1]}, {"rooted": [True]},
        {"settings": {}}, {"settings": {"gamma": 1e30}}, {"settings": {"gamma": float("nan")}},
        {"settings": {"gamma": 1, "noise": [1] * 10_000}},
        {"settings": {"gamma": 1, "reaches": [0] * 10_000}},
        {"settings": {"gamma": 1, "reaches": 1}}, {"embedder": "other"},
    ],
)  # fmt: skip
def test_load_wrong_sections_or_settings_are_refused(
    parts, tmp_path: Path, values: dict[str, Any]
) -> None:
    arrays, about = parts("kernel")
    about["values"] |= values
    with pytest.raises(StoreError):
        load(write(tmp_path / "bad", arrays, about))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0), st.binary(min_size=1, max_size=8))
def test_load_changed_bytes_give_a_head_that_scores_or_an_error(
    good: bytes, tmp_path: Path, at: int, junk: bytes
) -> None:
    at %= len(good)
    (tmp_path / "changed").write_bytes((good[:at] + junk + good[at + len(junk) :])[: len(good)])
    try:
        head = load(tmp_path / "changed")
    except ImgscoreError:
        return
    scores = head.score(np.zeros((3, head.dimensions), np.float16))
    assert checked(scores, "1") is scores


@pytest.fixture
def good(parts, tmp_path: Path) -> bytes:
    arrays, about = parts("kernel")
    return write(tmp_path / "good", arrays, about).read_bytes()


def test_load_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "endless"):
        with pytest.raises(StoreError) as caught:
            load(path)
        assert str(path) in caught.value.message
        assert "Errno" not in caught.value.message and "Path(" not in caught.value.message
    with (tmp_path / "huge").open("wb") as file:
        file.write(struct.pack("<Q", 1 << 40))
        file.truncate(1 << 40)
    with pytest.raises(StoreError, match="too many"):
        load(tmp_path / "huge")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.1])
def test_checked_scores_that_are_no_probabilities_raise(bad: float) -> None:
    good = np.array([0.5, 0.5], np.float32)
    with pytest.raises(ImgscoreError, match="head 7"):
        checked(Scores(np.array([0.5, bad], np.float32), good), "7")
