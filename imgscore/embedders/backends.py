"""Find out whether an accelerator can be used, and which package uses it: torch or onnxruntime.

This module imports neither of them, so the idle daemon can import it. The answers are expectations.
Whether the device really works is known only after a model has run on it: see
`workers/device_process.py`.
"""

from imgscore.embedders.devices import PACKAGES, PROVIDERS
from imgscore.system import accelerators

ONE_PROCESS = ("cuda", "rocm", "tensorrt", "migraphx")
"""The devices with memory of their own. One process of a pool uses such a device, in batches."""


def torch_device(device: str) -> str | None:
    """Return the accelerator that the installed torch is built for, if `device` includes it.

    `device`: "auto" or a device of the config. Return None if torch is missing, is built for CPUs,
    or is built for another device.
    """
    from importlib.metadata import PackageNotFoundError, version  # 12 ms

    try:
        built = version("torch")
    except PackageNotFoundError:
        return None
    if "+cpu" in built:
        return None
    kind = "rocm" if "+rocm" in built else "cuda"
    return kind if device in ("auto", kind) else None


def onnxruntime_providers(device: str) -> tuple[str, ...]:
    """Return the providers of ONE_PROCESS in the installed onnxruntime packages, without loading
    them."""
    names = ONE_PROCESS if device == "auto" else (device,)
    return tuple(
        PROVIDERS[name] for name in names if name in ONE_PROCESS and _is_installed(PACKAGES[name])
    )


def _is_installed(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def uses_device_process(device: str) -> bool:
    """Return whether the pool should start a device process.

    With "auto", the machine must have an accelerator. With the name of an accelerator, only the
    package that uses it must be installed, so that the device process reports why it fails.
    """
    wanted = accelerators.is_present() if device == "auto" else device in ONE_PROCESS
    return wanted and bool(torch_device(device) or onnxruntime_providers(device))
