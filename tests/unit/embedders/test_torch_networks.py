"""The torch networks for accelerators, on the CPU: their vectors, alone and in a batch."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from imgscore.embedders import lite0, lite0_spec, onnx_graph, registry
from imgscore.embedders.base import Network
from imgscore.errors import ImgscoreError
from imgscore.images.decode import Picture
from imgscore.images.traits import Traits
from tests.conftest import draw
from tests.support import uform_checkpoint

torch = pytest.importorskip("torch", reason="pip install torch")


def pictures() -> list[Picture]:
    result = []
    for number, size in enumerate([(300, 200), (200, 300), (64, 64), (700, 90), (333, 201)]):
        pixels = np.asarray(draw("sun", number).convert("RGB").resize(size))
        facts = Traits(width=size[0], height=size[1], format="PNG", bytes_per_pixel=1)
        result.append(Picture(pixels, facts))
    return result


def cosines(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    a, b = left.astype(np.float64), right.astype(np.float64)
    products: NDArray[np.float64] = (a * b).sum(1)
    return products / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def together(network: Network, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    return network.collect(network.start(inputs))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return uform_checkpoint.make(tmp_path_factory.mktemp("uform") / "tiny")


def test_lite0_in_torch_gives_the_vectors_of_the_int8_file() -> None:
    from imgscore.embedders import lite0_torch

    expected, actual = lite0.load().embed(pictures()), lite0_torch.load("cpu").embed(pictures())
    assert cosines(expected, actual).min() >= 0.99999


def test_lite0_in_a_batch_gives_the_same_vectors() -> None:
    from imgscore.embedders import lite0_torch

    embedder = lite0_torch.load("cpu")
    inputs = np.concatenate([embedder.preprocessor.inputs(p) for p in pictures()[:1] * 2])
    inputs[1] = inputs[1, ::-1]
    batch = together(embedder.network, inputs)
    alone = np.concatenate([together(embedder.network, item[None]) for item in inputs])
    assert cosines(batch, alone).min() >= 0.99999
    assert cosines(batch[:1], batch[1:])[0] < 0.999


def test_graph_of_the_built_in_model_is_read_like_onnx_does() -> None:
    onnx = pytest.importorskip("onnx", reason="pip install onnx")
    theirs = onnx.load(lite0_spec.MODEL).graph
    ours = onnx_graph.read(lite0_spec.MODEL.read_bytes())
    assert [node.kind for node in ours.nodes] == [node.op_type for node in theirs.node]
    for node, other in zip(ours.nodes, theirs.node, strict=True):
        assert (node.inputs, node.outputs) == (list(other.input), list(other.output))
        values = {item.name: onnx.helper.get_attribute_value(item) for item in other.attribute}
        assert node.attributes == values
    for tensor in theirs.initializer:
        constant = ours.constants[tensor.name]
        expected = onnx.numpy_helper.to_array(tensor)
        assert constant.dtype == expected.dtype and np.array_equal(constant, expected)
    with pytest.raises((ValueError, KeyError, IndexError)):
        onnx_graph.read(lite0_spec.MODEL.read_bytes()[:-100])


@pytest.mark.parametrize("prefix", ["image_encoder.", ""])
def test_uform_safetensors_give_the_vectors_of_the_onnx_file(
    tiny: Path, tmp_path: Path, prefix: str
) -> None:
    folder = uform_checkpoint.with_tensors(tiny, tmp_path / "tensors", prefix)
    assert registry.spec(str(folder)).id != registry.spec(str(tiny)).id
    vectors = registry.load(str(folder), "cpu").embed(pictures())
    expected = registry.load(str(tiny), "cpu").embed(pictures())
    for start, stop in ((0, 32), (32, 80), (80, 128)):  # bfloat16 has 8 bits
        assert cosines(vectors[:, start:stop], expected[:, start:stop]).min() >= 0.999


def test_uform_in_a_batch_gives_the_same_vectors(tiny: Path, tmp_path: Path) -> None:
    embedder = registry.load_for_batches(
        str(uform_checkpoint.with_tensors(tiny, tmp_path / "tensors")), "cpu"
    )
    inputs = np.concatenate([embedder.preprocessor.inputs(picture) for picture in pictures()])
    batch = together(embedder.network, inputs)
    alone = np.concatenate([together(embedder.network, item[None]) for item in inputs])
    assert cosines(batch, alone).min() >= 0.99999


def test_safetensors_are_preferred_to_onnx_with_torch(tiny: Path, tmp_path: Path) -> None:
    folder = uform_checkpoint.with_tensors(tiny, tmp_path / "tensors")
    (folder / "image_encoder.onnx").write_bytes((tiny / "image_encoder.onnx").read_bytes())
    assert registry.open_model(str(folder)).weights.name == "model.safetensors"


def test_load_weights_of_another_config_raises(tiny: Path, tmp_path: Path) -> None:
    folder = uform_checkpoint.with_tensors(tiny, tmp_path / "tensors")
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"num_layers": 2', '"num_layers": 3', 1))
    with pytest.raises(ImgscoreError, match=r"does not fit config\.json: blocks\.2"):
        registry.load(str(folder), "cpu")


def test_load_for_batches_without_the_device_raises_the_reason(tiny: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    folder = uform_checkpoint.with_tensors(tiny, tmp_path / "tensors")
    with pytest.raises(ImgscoreError, match="torch") as caught:
        registry.load_for_batches(str(folder), "cuda")
    assert caught.value.remedy
