"""Which of onnxruntime's execution providers a `device` of the config means. Pure."""

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
# What "auto" takes if it is installed. Not TensorRT, which builds an engine for minutes first, nor
# OpenVINO, which on most machines is the CPU by another way.
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
    """Providers in the order in which onnxruntime shall try them; the CPU is always the last.

    `warning`: why it is not the device that was asked for, and what to do; or "".
    """

    device: str
    providers: tuple[str, ...]
    warning: str = ""


def check(device: str) -> None:
    """Raise ConfigError where there is no such device."""
    if device != "auto" and device not in PROVIDERS:
        raise ConfigError(
            f"device = {device!r}: there is no such device",
            f"use one of: auto, {', '.join(PROVIDERS)}",
        )


def choose(device: str, available: Sequence[str]) -> Choice:
    """The providers for a device, of those that this onnxruntime has. ConfigError if unknown."""
    check(device)
    wanted = AUTO if device == "auto" else (device,)
    found = next((name for name in wanted if PROVIDERS[name] in available), "cpu")
    providers = (CPU,) if found == "cpu" else (PROVIDERS[found], CPU)
    if device in ("auto", "cpu", found):
        return Choice(found, providers)
    package = PACKAGES.get(device)
    remedy = f"pip install {package} in place of onnxruntime" if package else "use another machine"
    return Choice(
        found,
        providers,
        f'device = "{device}": this onnxruntime has no {PROVIDERS[device]}, so the CPU is used; '
        f'{remedy}, or set device = "auto"',
    )


def settled(choice: Choice, used: Sequence[str]) -> Choice:
    """What became of a choice: onnxruntime falls back by itself where a driver is missing."""
    if choice.providers[0] in used:
        return choice
    return Choice(
        "cpu",
        (CPU,),
        f"{choice.providers[0]} is installed but cannot be used (is its driver there?), so the CPU "
        'is used; mend it, or set device = "cpu"',
    )
