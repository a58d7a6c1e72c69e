"""Small data of a report."""

from imgscore.heads.results import Bin, Evaluation, Interval, Point, Quality
from imgscore.report.data import BLUR_DIGITS, Images, Measured, ReportData, TrainedHead


def interval(value: float) -> Interval:
    return Interval(value, value - 0.1, min(1.0, value + 0.1))


def quality(auc: float) -> Quality:
    bins = [Bin(0.05, 0.0, 30), Bin(0.45, 0.5, 4), Bin(1.0, 0.9, 10)]
    return Quality(44, 11, interval(auc), interval(0.8), interval(0.3), 0.56, bins)


def evaluation(doubled: float | None = 0.95, *, left_out: int = 0) -> Evaluation:
    curve = [Point(10, 0.8, 0.05), Point(20, 0.85, 0.04), Point(44, 0.9, 0.03)]
    return Evaluation("kernel", quality(0.9), curve, doubled, left_out)


def trained_head(
    version: str, auc: float, *, accepted: bool = True, in_use: bool = False
) -> TrainedHead:
    return TrainedHead(version, in_use, accepted, 44, Measured(quality(auc)))


def report_data(*names: str, folder: str | None = None) -> ReportData:
    count = len(names)
    images = Images(
        names="/".join(names),
        folders=[0] * count,
        sha256="00" * 32 * count,
        scores=[5000] * count,
        deviations=[1000] * count,
        places=[0] * count,
        widths=[4] * count,
        heights=[3] * count,
        bytes=[100] * count,
        taken="/" * max(0, count - 1),
        cameras=[0] * count,
        blurs=" " * BLUR_DIGITS * count,
        grades=dict.fromkeys(range(count), 1.0),
    )
    return ReportData(
        taste="default",
        folder=folder,
        head=None,
        embedder="an embedder",
        images=images,
        folders=["/pictures"],
        places=["inbox"],
        cameras=[""],
        suspects=[],
        groups=[],
        group_count=0,
        failures=[],
        unlearned="",
        evaluation=evaluation(),
        heads=[trained_head("1", 0.9, in_use=True)],
        learned_of=("an embedder", 3),
    )
