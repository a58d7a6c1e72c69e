"""Wait for a file descriptor."""

import select
import time


def wait_readable(descriptor: int | None, seconds: float) -> bool:
    """Wait until a descriptor is readable, at most `seconds`. Return whether it is readable.

    None: no descriptor; the whole time is waited. `select.select` would refuse large descriptors.
    """
    if descriptor is None:
        time.sleep(seconds)
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
