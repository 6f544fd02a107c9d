"""The picture of a simulation: coverage, distance and waiting by rule."""

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from marketplace.services.simulation import Report

# Told apart without colour too.
STYLES = (("#0d5c55", "-", 2.5), ("#8a5a00", "-.", 1.6), ("#98390f", "--", 1.6), ("#3b4c9b", ":", 2.0))
DOTS_PER_INCH = 120


def draw(report: Report, path: Path) -> None:
    """Write the picture as PNG, over what is there."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    coverage, distance, waiting = figure.subplots(1, 3)
    for (name, outcome), (colour, line, width) in zip(report.rules.items(), STYLES, strict=True):
        style: dict[str, Any] = {"color": colour, "linestyle": line, "linewidth": width, "label": name}
        weeks = range(1, report.weeks + 1)
        coverage.plot(weeks, outcome.coverage_by_week, **style)
        distance.plot(weeks, outcome.distance_by_week, **style)
        waiting.plot(range(len(outcome.waiting)), outcome.waiting, **style)
    _label(coverage, "Coverage", "week", "served of the needs with a candidate")
    _label(distance, "Distance", "week", "mean way of the exchanges on site so far, km")
    _label(waiting, "Waiting", "weeks", "needs with a candidate that waited longer")
    coverage.yaxis.set_major_formatter(PercentFormatter(1.0))
    waiting.yaxis.set_major_formatter(PercentFormatter(1.0))
    waiting.set_yscale("log")
    coverage.legend(frameon=False)
    figure.suptitle(
        f"{report.weeks} weekly rounds over {report.source}: {report.needs} needs, {report.offers} offers"
    )
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _label(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
