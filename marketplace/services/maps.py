"""Maps drawn on the server: shapes and points as SVG coordinates, and the table that says the same.

Nothing here reads the database. components/map.html renders a Drawing.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from marketplace.services import outlines
from marketplace.services.outlines import Outline, Ring

# The longer side of a drawing, in its own units: about 40 m each for an intercommunality of 40 km.
SIDE = 1000
STEPS = 4
_MARGIN = 0.02  # of the longer side, around what is drawn
_NARROWEST_DEGREES = 0.1  # about 11 km: a single point still shows where it is
# Units that a number takes inside a shape: each digit, and the height of a line.
_DIGIT, _LINE = 22, 40

Cell = int | float | str


@dataclass(frozen=True, slots=True)
class Reading:
    """What is told of a commune. `value` None: it is not told. `cells`: of the table, after the name."""

    insee: str
    name: str
    value: int | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """A place to show, in degrees. `is_chosen`: it stands out. `url`: of its name in the table."""

    name: str
    lat: float
    lon: float
    cells: tuple[Cell, ...] = ()
    url: str = ""
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    x: int
    y: int
    text: str


@dataclass(frozen=True, slots=True)
class Shape:
    """`path`: SVG path data, to fill even-odd. `step`: 0 for none, 1 to STEPS, None where nothing is told."""

    name: str
    path: str
    step: int | None = 0
    value: int | None = 0
    label: Label | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """A mark on the map. `text` is the row of the table it stands for, « 3+ » when it stands for several."""

    x: int
    y: int
    text: str
    names: tuple[str, ...]
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the legend: the values from `low` to `high` look alike."""

    number: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    cells: tuple[Cell, ...]
    url: str = ""
    is_numbered: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A map, its legend, and the table of the same numbers. `has_outlines` False: there is only the table."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    width: int
    height: int
    background: tuple[Shape, ...] = ()
    shapes: tuple[Shape, ...] = ()
    spots: tuple[Spot, ...] = ()
    steps: tuple[Step, ...] = ()
    has_untold: bool = False

    @property
    def has_none(self) -> bool:
        """Say whether a shape stands for none, so that the legend must say how it looks."""
        return any(shape.step == 0 for shape in self.shapes)

    @property
    def has_outlines(self) -> bool:
        return bool(self.shapes or self.spots)


def draw_communes(
    readings: Sequence[Reading],
    *,
    title: str,
    columns: Sequence[str],
    points: Sequence[Point] = (),
    around: Iterable[str] = (),
    key: str = "carte",
) -> Drawing:
    """Draw communes by the steps of their values, marks over them, and other communes `around` in outline.

    `columns`: heads of the table, the name's first. `key`: tells two maps of one page apart. Communes without
    an outline are in the table only. The table lists the points first, when there are any.
    """
    shown = outlines.of_communes(reading.insee for reading in readings)
    other = outlines.of_communes(set(around) - shown.keys())
    view = _view([*_all_points(shown), *_all_points(other), *_places(points)])
    steps = _steps(reading.value for reading in readings)
    return Drawing(
        key=key,
        title=title,
        columns=tuple(columns),
        rows=(*_point_rows(points), *(Row(reading.name, reading.cells) for reading in readings)),
        width=view.width,
        height=view.height,
        background=tuple(Shape("", _path(outline, view)) for outline in other.values()),
        shapes=tuple(_shape(one, shown[one.insee], view, steps) for one in readings if one.insee in shown),
        spots=_spots(points, view),
        steps=steps,
        has_untold=any(reading.value is None for reading in readings),
    )


def draw_points(
    points: Sequence[Point],
    *,
    title: str,
    columns: Sequence[str],
    communes: Iterable[str] = (),
    key: str = "carte",
) -> Drawing:
    """Draw numbered points over the outlines of departments, and of `communes` (INSEE codes) if given.

    The map shows the points and these communes, with a margin; each point is a row of the table.
    """
    shown = outlines.of_communes(communes)
    view = _view([*_all_points(shown), *_places(points)])
    around = {code: outline for code, outline in outlines.of_departments().items() if view.meets(outline)}
    return Drawing(
        key=key,
        title=title,
        columns=tuple(columns),
        rows=_point_rows(points),
        width=view.width,
        height=view.height,
        background=tuple(Shape("", _path(outline, view)) for outline in (*around.values(), *shown.values())),
        spots=_spots(points, view),
    )


class _View(NamedTuple):
    """A local equirectangular projection: degrees to units, east to the right, north up.

    Lengths are true along the middle parallel, and within 1 % over the size of an intercommunality.
    """

    west: float
    north: float
    per_lon: float
    per_lat: float
    width: int
    height: int

    def units(self, lon: float, lat: float) -> tuple[int, int]:
        return round((lon - self.west) * self.per_lon), round((self.north - lat) * self.per_lat)

    def meets(self, outline: Outline) -> bool:
        """Say whether the box of the outline meets the view."""
        west, south, east, north = _bounds([point for ring in outline for point in ring])
        left, bottom = self.units(west, south)
        right, top = self.units(east, north)
        return left <= self.width and right >= 0 and top <= self.height and bottom >= 0


def _view(points: Sequence[tuple[float, float]]) -> _View:
    """Return the projection that shows all points (longitude, latitude) and a margin."""
    west, south, east, north = _widened(*_bounds(points)) if points else (0.0, 0.0, 1.0, 1.0)
    shrink = math.cos(math.radians((south + north) / 2))
    margin = _MARGIN * max((east - west) * shrink, north - south)
    west, east = west - margin / shrink, east + margin / shrink
    south, north = south - margin, north + margin
    per_lat = SIDE / max((east - west) * shrink, north - south)
    per_lon = per_lat * shrink
    return _View(
        west, north, per_lon, per_lat, round((east - west) * per_lon), round((north - south) * per_lat)
    )


def _bounds(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    lons, lats = [lon for lon, _ in points], [lat for _, lat in points]
    return min(lons), min(lats), max(lons), max(lats)


def _widened(west: float, south: float, east: float, north: float) -> tuple[float, float, float, float]:
    lon, lat = (max(0.0, (_NARROWEST_DEGREES - gap) / 2) for gap in (east - west, north - south))
    return west - lon, south - lat, east + lon, north + lat


def _all_points(shown: Mapping[str, Outline]) -> list[tuple[float, float]]:
    return [point for outline in shown.values() for ring in outline for point in ring]


def _places(points: Iterable[Point]) -> list[tuple[float, float]]:
    return [(point.lon, point.lat) for point in points]


def _steps(values: Iterable[int | None]) -> tuple[Step, ...]:
    """Return the classes of the positive values: quantiles, so that each holds about as many communes."""
    told = sorted(value for value in values if value)
    lows = sorted({told[len(told) * part // STEPS] for part in range(STEPS)}) if told else []
    groups = [[value for value in told if _class_of(value, lows) == number] for number in range(len(lows))]
    first = STEPS - len(groups) + 1  # few classes take the strong colours
    return tuple(Step(first + number, group[0], group[-1]) for number, group in enumerate(groups))


def _class_of(value: int, lows: Sequence[int]) -> int:
    return sum(low <= value for low in lows) - 1


def _shape(reading: Reading, outline: Outline, view: _View, steps: Sequence[Step]) -> Shape:
    value = reading.value
    number = next((step.number for step in steps if value and step.low <= value <= step.high), 0)
    return Shape(
        name=reading.name,
        path=_path(outline, view),
        step=None if value is None else number,
        value=value,
        label=_label(outline, view, str(value)) if value else None,
    )


def _path(outline: Outline, view: _View) -> str:
    """Return relative path data in whole units; points that fall on the one before are left out."""
    return "".join(_ring_path(ring, view) for ring in outline)


def _ring_path(ring: Ring, view: _View) -> str:
    corners = [corner for corner, _ in groupby(view.units(*point) for point in ring)]
    (x, y), steps = corners[0], []
    for to_x, to_y in corners[1:]:
        steps.append(_pair(to_x - x, to_y - y))
        x, y = to_x, to_y
    moves = "".join(step if step[0] == "-" or not number else f" {step}" for number, step in enumerate(steps))
    return f"M{_pair(*corners[0])}l{moves}z" if steps else ""


def _pair(x: int, y: int) -> str:
    """Return two numbers, with a space only where no minus sign parts them."""
    return f"{x}{y}" if y < 0 else f"{x} {y}"


def _label(outline: Outline, view: _View, text: str) -> Label | None:
    """Return the text at the middle of the largest ring, when it fits in."""
    rings = [[view.units(*point) for point in ring] for ring in outline]
    ring = max(rings, key=lambda corners: abs(_area(corners)))
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    if max(xs) - min(xs) < _DIGIT * (len(text) + 1) or max(ys) - min(ys) < _LINE:
        return None
    x, y = _centroid(ring)
    return Label(x, y, text)


def _area(ring: Sequence[tuple[int, int]]) -> float:
    return sum(x * ny - nx * y for (x, y), (nx, ny) in _sides(ring)) / 2


def _centroid(ring: Sequence[tuple[int, int]]) -> tuple[int, int]:
    area = _area(ring)
    if not area:
        return ring[0]
    crosses = [((x, y), (nx, ny), x * ny - nx * y) for (x, y), (nx, ny) in _sides(ring)]
    return (
        round(sum((x + nx) * cross for (x, _), (nx, _), cross in crosses) / (6 * area)),
        round(sum((y + ny) * cross for (_, y), (_, ny), cross in crosses) / (6 * area)),
    )


def _sides(ring: Sequence[tuple[int, int]]) -> Iterable[tuple[tuple[int, int], tuple[int, int]]]:
    return zip(ring, [*ring[1:], ring[0]], strict=True)


def _point_rows(points: Sequence[Point]) -> tuple[Row, ...]:
    return tuple(Row(point.name, point.cells, url=point.url, is_numbered=True) for point in points)


def _spots(points: Sequence[Point], view: _View) -> tuple[Spot, ...]:
    """Return one mark a place: points that fall on each other share theirs."""
    together: dict[tuple[int, int], list[tuple[int, Point]]] = {}
    for number, point in enumerate(points, start=1):
        together.setdefault(view.units(point.lon, point.lat), []).append((number, point))
    return tuple(
        Spot(
            x=x,
            y=y,
            text=f"{group[0][0]}+" if len(group) > 1 else str(group[0][0]),
            names=tuple(point.name for _, point in group),
            is_chosen=any(point.is_chosen for _, point in group),
        )
        for (x, y), group in together.items()
    )
