"""The choice of the devices that get a device process."""

from pathlib import Path

import pytest

from imgscore.embedders import backends
from imgscore.system import accelerators


@pytest.mark.parametrize("device", ["cpu", "directml", "coreml", "openvino"])
def test_uses_device_process_without_an_accelerator_is_false(device: str) -> None:
    assert not backends.uses_device_process(device)


def test_uses_device_process_auto_needs_a_driver() -> None:
    if not accelerators.is_present():
        assert not backends.uses_device_process("auto")


@pytest.mark.parametrize(
    ("files", "present"),
    [
        ((), False),
        (("dri/card0", "null"), False),
        (("nvidiactl", "nvidia0", "nvidia-caps/nvidia-cap1"), True),
        (("kfd", "dri/renderD128"), True),
    ],
)
def test_is_present_needs_a_driver_of_cuda_or_rocm(
    tmp_path: Path, files: tuple[str, ...], present: bool
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert accelerators.is_present(tmp_path) is present
    tops = {tmp_path / file.partition("/")[0] for file in files} - {tmp_path / "null"}
    assert set(accelerators.device_files(tmp_path)) == tops
