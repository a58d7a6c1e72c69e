"""The built-in model: its vectors, on any machine and for any shape, and its file's checksum."""

import io
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from imgscore.embedders import lite0, lite0_spec
from imgscore.embedders.base import Embedder, sections_of
from imgscore.embedders.onnx_session import CPU, make_session
from imgscore.errors import ImgscoreError
from imgscore.images import decode as decoding
from imgscore.images.decode import Picture, decode
from imgscore.images.traits import Traits

GOLDEN = Path(__file__).parent / "lite0_golden.npz"
SHAPES = ("224x224", "160x352", "288x192")


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return lite0.load()


def picture(pixels: NDArray[np.uint8]) -> Picture:
    height, width = pixels.shape[:2]
    return Picture(pixels, Traits(width=width, height=height, format="PNG", bytes_per_pixel=1))


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


def cosine(left: NDArray[np.float16], right: NDArray[np.float16]) -> float:
    a, b = left.astype(np.float64), right.astype(np.float64)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def view(shape: str) -> NDArray[np.uint8]:
    """The same waves as in tools/check_lite0.py."""
    height, width = map(int, shape.split("x"))
    down, right = np.mgrid[:height, :width].astype(np.float64)
    waves = [np.sin(right / 9 + down / 31), np.sin(down / 13), np.sin(right * down / 1500)]
    return np.round(127.5 + 127.5 * np.stack(waves, axis=2)).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
def test_model_output_is_close_to_torch(shape: str) -> None:
    """tools/check_lite0.py writes the golden vectors, with the torch network."""
    session = make_session(lite0_spec.MODEL.read_bytes())
    actual = session.run(None, {"pixels": view(shape)[None]})[0][0]
    golden = np.load(GOLDEN)[shape]
    assert actual.shape == golden.shape == (lite0_spec.DIM,)
    for section in lite0_spec.SECTIONS:
        part = slice(section.start, section.stop)
        assert cosine(actual[part], golden[part]) >= 0.98, section.name


@pytest.mark.parametrize("int8", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_model_int8_and_float32_give_the_shipped_vectors(shape: str, int8: bool) -> None:
    """CPUs compute in int8, accelerators may compute in float32."""
    options = onnxruntime.SessionOptions()
    if not int8:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(lite0_spec.MODEL, options, providers=CPU)
    actual = session.run(None, {"pixels": view(shape)[None]})[0][0]
    golden = np.load(GOLDEN)[f"{shape} shipped"]
    assert cosine(actual, golden) >= (0.99999 if int8 else 0.9997)


def test_model_weights_keep_16_bit_sums_in_range() -> None:
    """CPUs without VNNI add two products of bytes in 16 bits, with saturation."""
    onnx = pytest.importorskip("onnx", reason="pip install onnx")
    graph = onnx.load(lite0_spec.MODEL).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = {node.output[0]: stored.get(node.input[0]) for node in graph.node}
    checked = 0
    for node in graph.node:
        depthwise = any(item.name == "group" and item.i > 1 for item in node.attribute)
        if node.op_type == "Conv" and not depthwise:
            codes = weights[node.input[1]].transpose(0, 2, 3, 1)
            rows = codes.reshape(len(codes), -1).astype(np.int64)
            pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
            for side in (pairs, -pairs):
                assert 255 * np.maximum(side, 0).sum(axis=2).max() < 2**15, node.name
            checked += 1
    assert checked == 33


def test_load_gives_id_dim_and_sections(embedder: Embedder) -> None:
    assert embedder.id == lite0_spec.ID and lite0_spec.MODEL_SHA256[:12] in embedder.id
    assert embedder.dim == 2528
    assert embedder.sections[0] == ("features", 0, 1280)
    assert [section.start for section in embedder.sections[1:]] == [
        section.stop for section in embedder.sections[:-1]
    ]
    assert sections_of() == ()


def test_embed_pictures_gives_finite_float16_vectors(embedder: Embedder) -> None:
    vectors = embedder.embed([picture(noise(300, 400)), picture(noise(300, 400, seed=1))])
    assert vectors.shape == (2, 2528) and vectors.dtype == np.float16
    assert np.isfinite(vectors).all() and vectors[:, :1280].min() >= 0
    assert embedder.embed([]).shape == (0, 2528)


def test_embed_vector_is_independent_of_other_pictures(embedder: Embedder) -> None:
    first, second = picture(noise(300, 400)), picture(noise(900, 120))
    together = embedder.embed([first, second])
    assert np.array_equal(together[0], embedder.embed([first])[0])
    assert np.array_equal(together[1], lite0.load().embed([second])[0])


@pytest.mark.parametrize("upright", [False, True])
def test_embed_panorama_depends_on_its_middle(embedder: Embedder, upright: bool) -> None:
    plain = np.full((160, 2400, 3), 128, np.uint8)
    changed = plain.copy()
    changed[:, 800:1600] = noise(160, 800)
    if upright:
        plain, changed = plain.transpose(1, 0, 2).copy(), changed.transpose(1, 0, 2).copy()
    vectors = embedder.embed([picture(plain), picture(changed)])
    assert cosine(vectors[0], vectors[1]) < 0.97


@pytest.mark.parametrize("size", [(4000, 3000), (3307, 4677)])
def test_embed_drafted_jpeg_is_close_to_full_decoding(
    embedder: Embedder, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second size is an A4 scan, whose reduced and rounded proportion fits another view."""
    coarse = Image.fromarray(noise(160, 120)).resize(size, Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    coarse.save(stream, "JPEG", quality=90)
    drafted = decode(stream.getvalue())
    monkeypatch.setattr(decoding, "OVERSAMPLING", 1e4)
    whole = decode(stream.getvalue())
    assert drafted.pixels.size * 50 < whole.pixels.size
    vectors = embedder.embed([drafted, whole])
    assert cosine(vectors[0], vectors[1]) >= 0.995


def test_pool_tiles_one_tile_is_unchanged() -> None:
    tile = np.abs(np.random.default_rng(0).normal(size=(1, lite0_spec.DIM))).astype(np.float32)
    assert np.allclose(lite0.pool_tiles(tile), tile[0], rtol=1e-5)


def test_pool_tiles_halves_give_the_wholes_mean_and_deviation() -> None:
    """The pooled mean and deviation are those of all values together."""
    values = np.random.default_rng(0).normal(size=(2, 50, 112)).astype(np.float32)
    values[1] += 3
    tiles = np.zeros((2, lite0_spec.DIM), np.float32)
    mean, deviation = lite0_spec.SECTIONS[1], lite0_spec.SECTIONS[2]
    tiles[:, mean.start : mean.stop] = values.mean(axis=1)
    tiles[:, deviation.start : deviation.stop] = values.std(axis=1)
    pooled = lite0.pool_tiles(tiles)
    whole = values.reshape(100, 112)
    assert np.allclose(pooled[mean.start : mean.stop], whole.mean(axis=0), atol=1e-5)
    assert np.allclose(pooled[deviation.start : deviation.stop], whole.std(axis=0), atol=1e-5)


def test_load_damaged_or_missing_model_raises(tmp_path: Path) -> None:
    damaged = bytearray(lite0_spec.MODEL.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file = tmp_path / "model.onnx"
    file.write_bytes(damaged)
    with pytest.raises(ImgscoreError, match="sha256") as caught:
        lite0.load(model=file)
    assert caught.value.remedy
    with pytest.raises(ImgscoreError, match="cannot be read"):
        lite0.load(model=tmp_path / "none.onnx")


def test_load_with_one_thread_starts_no_thread() -> None:
    def count() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    if not Path("/proc/self/task").exists():
        pytest.skip("cannot count threads: no /proc")
    lite0.load().embed([picture(noise(64, 64))])  # so that the library has started its own threads
    before = (count(), threading.active_count())
    lite0.load(threads=1).embed([picture(noise(64, 64))])
    assert (count(), threading.active_count()) == before
