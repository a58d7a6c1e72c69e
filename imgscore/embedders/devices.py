"""Map the setting `device` of the config to the execution providers of onnxruntime.

The functions of this module are pure: their results depend only on their arguments.
"""

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
# These are the devices that "auto" tries, in this order. TensorRT is left out, because it needs
# minutes to build an engine before the first use. OpenVINO is left out, because on most machines it
# only uses the CPU.
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
    """A device and its providers.

    `providers`: the providers in the order in which onnxruntime tries them. The CPU is always the
    last.
    `warning`: a text for the user if `device` is not the device in the config, else None. The text
    contains the reason and a remedy.
    """

    device: str
    providers: tuple[str, ...]
    warning: str | None = None


def check(device: str) -> None:
    """Raise ConfigError if the device is unknown."""
    if device != "auto" and device not in PROVIDERS:
        raise ConfigError(
            f"device = {device!r}: there is no such device",
            f"use one of: auto, {', '.join(PROVIDERS)}",
        )


def choose(device: str, available: Sequence[str]) -> Choice:
    """Choose the providers for a device.

    `device`: "auto", or a key of PROVIDERS.
    `available`: the providers that this build of onnxruntime contains.

    Raises ConfigError if the device is unknown.
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
    """Return the device and the providers that a session really uses after it has loaded a model.

    `choice`: the result of `choose`.
    `used`: the providers that the session reports.

    If a driver is missing, onnxruntime uses the CPU without an error. The result is then the CPU
    with a warning.
    """
    if choice.providers[0] in used:
        return choice
    return Choice(
        "cpu",
        (CPU,),
        f"{choice.providers[0]} is installed but cannot be used (is its driver missing?), so the "
        'CPU is used; install the driver, or set device = "cpu"',
    )
