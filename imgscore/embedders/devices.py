"""Map the config's `device` to onnxruntime's execution providers. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from imgscore.errors import ConfigError

CPU = "CPUExecutionProvider"
PROVIDERS = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
# Devices that "auto" tries, in this order. TensorRT is left out because it first builds an engine
# for minutes, OpenVINO because on most machines it runs on the CPU.
AUTO = ("cuda", "rocm", "migraphx", "directml", "coreml")
PACKAGES = {
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu",
    "rocm": "onnxruntime-rocm",
    "migraphx": "onnxruntime-migraphx",
    "directml": "onnxruntime-directml",
    "openvino": "onnxruntime-openvino",
}


class Choice(NamedTuple):
    """A device and its providers, in the order in which onnxruntime tries them; the CPU is last.

    warning: why this is not the device of the config, and what to do; None if it is.
    """

    device: str
    providers: tuple[str, ...]
    warning: str | None = None


def check(device: str) -> None:
    """Raise ConfigError for an unknown device."""
    if device != "auto" and device not in PROVIDERS:
        raise ConfigError(
            f"device = {device!r}: there is no such device",
            f"use one of: auto, {', '.join(PROVIDERS)}",
        )


def choose(device: str, available: Sequence[str]) -> Choice:
    """Choose the providers for a device among the `available` ones of this onnxruntime.

    Raises ConfigError for an unknown device.
    """
    check(device)
    wanted = AUTO if device == "auto" else (device,)
    chosen = next((name for name in wanted if PROVIDERS[name] in available), "cpu")
    providers = (CPU,) if chosen == "cpu" else (PROVIDERS[chosen], CPU)
    if device in ("auto", "cpu", chosen):
        return Choice(chosen, providers)
    package = PACKAGES.get(device)
    remedy = f"pip install {package} in place of onnxruntime" if package else "use another machine"
    return Choice(
        chosen,
        providers,
        f'device = "{device}": this onnxruntime has no {PROVIDERS[device]}, so the CPU is used; '
        f'{remedy}, or set device = "auto"',
    )


def after_loading(choice: Choice, used: Sequence[str]) -> Choice:
    """The choice that is in effect once a session reports its providers, `used`.

    onnxruntime falls back to the CPU without an error if a driver is missing.
    """
    if choice.providers[0] in used:
        return choice
    return Choice(
        "cpu",
        (CPU,),
        f"{choice.providers[0]} is installed but cannot be used (is its driver missing?), so the "
        'CPU is used; install the driver, or set device = "cpu"',
    )
