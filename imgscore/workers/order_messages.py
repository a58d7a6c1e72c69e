"""The messages about the preparation of an order; see messages.py."""

from typing import ClassVar

import msgspec

from imgscore.watches import Watch


class PrepareOrder(msgspec.Struct, tag=True, frozen=True):
    """The task to load what later plans of some inboxes need, while another worker trains.

    The plans will not change the dates of the files in `exclude`.
    """

    handler: ClassVar[str] = "order_tasks:prepare_order"
    seconds: ClassVar[int] = 3600
    watches: list[Watch]
    exclude: list[bytes]


class OrderPrepared(msgspec.Struct, tag=True, frozen=True):
    """The answer to PrepareOrder."""
