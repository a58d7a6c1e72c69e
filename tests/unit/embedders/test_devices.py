"""Which execution providers a device means, on machines that have others than this one."""

import pytest

from imgscore.embedders import devices, registry
from imgscore.errors import ConfigError

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
AZURE = "AzureExecutionProvider"


@pytest.mark.parametrize(
    ("device", "available", "device_used", "providers"),
    [
        ("auto", [AZURE, CPU], "cpu", (CPU,)),
        ("auto", [TENSORRT, CUDA, CPU], "cuda", (CUDA, CPU)),
        ("auto", ["CoreMLExecutionProvider", CPU], "coreml", ("CoreMLExecutionProvider", CPU)),
        ("auto", ["OpenVINOExecutionProvider", CPU], "cpu", (CPU,)),
        ("cpu", [CUDA, CPU], "cpu", (CPU,)),
        ("cuda", [CUDA, CPU], "cuda", (CUDA, CPU)),
        ("tensorrt", [TENSORRT, CUDA, CPU], "tensorrt", (TENSORRT, CPU)),
    ],
)
def test_choice(
    device: str, available: list[str], device_used: str, providers: tuple[str, ...]
) -> None:
    assert devices.choose(device, available) == (device_used, providers, "")


def test_a_device_that_is_not_there_falls_back_and_says_so() -> None:
    choice = devices.choose("cuda", [AZURE, CPU])
    assert choice.providers == (CPU,) and choice.device == "cpu"
    assert "onnxruntime-gpu" in choice.warning


def test_a_provider_without_its_driver() -> None:
    choice = devices.choose("auto", [CUDA, CPU])
    assert devices.settled(choice, [CUDA, CPU]) == choice
    fallen = devices.settled(choice, [CPU])
    assert fallen.device == "cpu" and "driver" in fallen.warning


def test_an_unknown_device_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="no such device") as caught:
        devices.choose("abacus", [CPU])
    assert "auto, cpu, cuda" in caught.value.remedy


def test_one_warning_where_the_device_is_missing() -> None:
    said: list[str] = []
    embedder = registry.load("efficientnet-lite0", "directml", said.append)
    assert len(said) == 1 and "DmlExecutionProvider" in said[0]
    assert embedder.providers[0] == CPU
    said.clear()
    registry.load("efficientnet-lite0", "cpu", said.append)
    assert said == []
