"""Try the device of the config, in the process that would use it: for `imgscore doctor`.

`try_device` is the handler of a file worker, for a device that file workers use. `try_in_batches`
runs in the caller's process, and starts a device process.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from imgscore.errors import ImgscoreError
from imgscore.workers.messages import DeviceTried, Notice, TryDevice

if TYPE_CHECKING:
    from imgscore.workers.context import Context
    from imgscore.workers.device import Device
    from imgscore.workers.process import WorkerSettings

MEASURE_SECONDS = 0.5
"""The number of seconds for which inputs are computed. On a GPU, this is at least ten batches."""
LINKS = 8
"""The number of connections, so that a batch can have 8 × 32 inputs."""
START_SECONDS = 120.0
"""The largest number of seconds to wait for the device process. Loading CUDA takes 3 to 10."""


def try_device(context: Context, task: TryDevice) -> DeviceTried:
    """Compute inputs one by one, and return the rate."""
    import numpy as np

    embedder = context.embedder
    inputs, network = embedder.preprocessor.blank()[np.newaxis], embedder.network

    def compute() -> int:
        network.collect(network.start(inputs))
        return 1

    return DeviceTried(network.device, network.providers[0], _rate(compute))


def try_in_batches(settings: WorkerSettings) -> DeviceTried:
    """Start a device process, compute inputs, and return the rate.

    Raises ImgscoreError with the reason if the device cannot be used.
    """
    from imgscore.embedders import registry
    from imgscore.workers.device import Device
    from imgscore.workers.device_link import Link, open_link
    from imgscore.workers.ring import SLOTS

    preprocessor = registry.preprocessor(settings.model)
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        device = Device(settings, selector)
        device.start()
        try:
            _wait(device, selector)
            links: list[Link] = []
            for connection in (device.connect() for _ in range(LINKS)):
                assert connection is not None
                link = open_link(*connection.descriptors, preprocessor)
                stack.callback(link.close)
                links.append(link)
            inputs = [preprocessor.blank()] * SLOTS
            waiting = [(link, set(link.send(inputs))) for link in links]

            def compute() -> int:
                done = 0
                for number, (link, slots) in enumerate(waiting):
                    while slots and not link.ended:
                        slots.difference_update(link.receive(wait=True))
                    if link.ended:
                        raise ImgscoreError("the process that uses the device ended", "see the log")
                    link.release(link.used)
                    waiting[number] = link, set(link.send(inputs))
                    done += len(inputs)
                return done

            compute()
            return DeviceTried(device.name, device.provider, _rate(compute))
        finally:
            device.end()


def _wait(device: Device, selector: selectors.BaseSelector) -> None:
    """Wait until the device process computes. Raises ImgscoreError with the reason if it fails."""
    end = time.monotonic() + START_SECONDS
    while device.state == "starting":
        if not selector.select(max(0.0, end - time.monotonic())):
            raise ImgscoreError(
                f"the device did not answer within {START_SECONDS:.0f} s", 'set device = "cpu"'
            )
        notice: Notice | None = device.read()
        if notice is not None:
            raise ImgscoreError(*device.failure)
    if device.state != "ready":
        raise ImgscoreError("no process can be started", "end other programs, then try again")


def _rate(compute: Callable[[], int]) -> float:
    """Return how many inputs a second `compute` computes. It returns their number."""
    done, start = 0, time.monotonic()
    while time.monotonic() - start < MEASURE_SECONDS:
        done += compute()
    return done / (time.monotonic() - start)
