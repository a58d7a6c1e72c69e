"""The plots, drawn with matplotlib (extra `imgscore[plot]`). Rows of verbs in, a PNG file out."""

from pathlib import Path

from imgscore.errors import UsageError
from imgscore.verbs.base import Row

NEEDS = "pip install 'imgscore[plot]'"


def draw_evaluation(row: Row, path: Path) -> None:
    """The learning curve and the reliability diagram of an `evaluate` row, side by side.

    Raises UsageError without matplotlib, or where the file cannot be written.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise UsageError("plots need matplotlib", NEEDS) from None
    mpl.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    labels = [point["labels"] for point in row["curve"]]
    aucs = [point["auc"] for point in row["curve"]]
    noise = [point["deviation"] for point in row["curve"]]
    left.errorbar(labels, aucs, yerr=noise, marker="o", color="#2a6f97", capsize=3)
    if row["doubled"] is not None:
        left.plot(
            [labels[-1], 2 * labels[-1]],
            [aucs[-1], row["doubled"]],
            linestyle="--",
            marker="o",
            fillstyle="none",
            color="#2a6f97",
            label="estimate",
        )
        left.legend(frameon=False)
    left.set(xscale="log", xlabel="labels", ylabel="held-out AUC", title="Learning curve")
    bins = row["quality"]["reliability"]
    most = max((one["count"] for one in bins), default=1)
    right.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    right.scatter(
        [one["score"] for one in bins],
        [one["keep"] for one in bins],
        s=[20 + 180 * one["count"] / most for one in bins],
        color="#2a6f97",
        alpha=0.8,
    )
    right.set(
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
        xlabel="score",
        ylabel="share that was kept",
        title="Reliability (size: how many)",
    )
    for axes in (left, right):
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, dpi=120, format="png")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "choose another file") from None
