"""Bars drawn on the server, as SVG coordinates. components/chart.html renders a Chart."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 300
_GAP = 0.3  # of a group, left empty between it and the next


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of series number `series`, from 0. `value` None: it is not told, and `height` is 0."""

    series: int
    x: int
    y: int
    width: int
    height: int
    value: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """The bars of one label, which stands at `x`."""

    label: str
    x: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """`highest`: the value that the full height stands for."""

    title: str
    series: tuple[str, ...]
    groups: tuple[Group, ...]
    highest: int
    width: int = WIDTH
    height: int = HEIGHT


def draw_bars(title: str, labels: Sequence[str], series: Sequence[tuple[str, Sequence[int | None]]]) -> Chart:
    """Draw one bar a label and series, side by side. `series`: names with a value for each label."""
    highest = max((value or 0 for _, values in series for value in values), default=0)
    wide = WIDTH / max(1, len(labels))
    return Chart(
        title=title,
        series=tuple(name for name, _ in series),
        groups=tuple(
            Group(
                label=label,
                x=round((number + 0.5) * wide),
                bars=_bars([values[number] for _, values in series], number * wide, wide, highest),
            )
            for number, label in enumerate(labels)
        ),
        highest=highest,
    )


def _bars(values: Sequence[int | None], left: float, wide: float, highest: int) -> tuple[Bar, ...]:
    width = wide * (1 - _GAP) / len(values)
    start = left + wide * _GAP / 2
    heights = [round(HEIGHT * (value or 0) / highest) if highest else 0 for value in values]
    return tuple(
        Bar(number, round(start + number * width), HEIGHT - height, round(width), height, value)
        for number, (value, height) in enumerate(zip(values, heights, strict=True))
    )
