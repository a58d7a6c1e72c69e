"""The task to measure the quality of an image, and its answer. `messages` lists both."""

from typing import ClassVar

import msgspec

from imgscore.groups.best import Quality


class MeasureQuality(msgspec.Struct, tag=True, frozen=True):
    """The task to measure the quality of the image at `path`, whose digest is `digest`."""

    handler: ClassVar[str] = "measure_quality:measure_quality"
    path: bytes
    digest: bytes


class QualityMeasured(msgspec.Struct, tag=True, frozen=True):
    """The answer to MeasureQuality."""

    quality: Quality
