"""The execution providers of each device, also of devices that this machine lacks."""

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
def test_choose_available_device_gives_its_providers(
    device: str, available: list[str], device_used: str, providers: tuple[str, ...]
) -> None:
    assert devices.choose(device, available) == (device_used, providers, None)


def test_choose_missing_device_falls_back_with_warning() -> None:
    choice = devices.choose("cuda", [AZURE, CPU])
    assert choice.providers == (CPU,) and choice.device == "cpu"
    assert "onnxruntime-gpu" in (choice.warning or "")


def test_after_loading_without_driver_falls_back_with_warning() -> None:
    choice = devices.choose("auto", [CUDA, CPU])
    assert devices.after_loading(choice, [CUDA, CPU]) == choice
    fallback = devices.after_loading(choice, [CPU])
    assert fallback.device == "cpu" and "driver" in (fallback.warning or "")


def test_choose_unknown_device_raises_config_error() -> None:
    with pytest.raises(ConfigError, match="no such device") as caught:
        devices.choose("abacus", [CPU])
    assert "auto, cpu, cuda" in caught.value.remedy


def test_load_missing_device_warns_once() -> None:
    warnings: list[str] = []
    embedder = registry.load("efficientnet-lite0", "directml", warnings.append)
    assert len(warnings) == 1 and "DmlExecutionProvider" in warnings[0]
    assert embedder.providers[0] == CPU
    warnings.clear()
    registry.load("efficientnet-lite0", "cpu", warnings.append)
    assert warnings == []
