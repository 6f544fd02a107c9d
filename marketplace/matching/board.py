"""Listings of one side kept in memory, by skill: put, drop, and find those near a point."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketplace.matching.arrays import ON_SITE, REMOTE
from marketplace.matching.distance import KM_PER_DEGREE, points_km
from marketplace.matching.validation import BoolArray, IntArray, same_length

Columns = Mapping[str, NDArray[Any]]
# A straight line is never longer than the way: what is cut off is out of reach, but for rounding.
MARGIN_KM = 1e-3
_FIRST_ROWS = 64


class Board:
    """Columns of listings that change one by one, and the rows of each skill.

    The first put(), of no listing perhaps, says which columns are kept; `id`, `skills`, `level`, `lat`,
    `lon`, `radius_km` and `places` are needed, as Needs and Offers have them. A listing takes the row that
    another has left: the memory follows the most listings that there ever were at a time, twice that at most.
    Not for several threads at once.

    put() and drop() of k listings: O(k + rows of their skills). of_skills(), in_reach(): O(rows of the
    skills), and n log n of what is found.
    """

    def __init__(self, n_skills: int) -> None:
        self._columns: dict[str, NDArray[Any]] = {}
        self._rows: dict[int, int] = {}
        self._left: list[int] = []
        self._used = 0
        self._of_skill: list[IntArray] = [np.empty(0, np.int64)] * n_skills

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, columns: Columns) -> None:
        """Add these listings, or write them anew; ValueError for columns of different lengths."""
        same_length(**columns)
        ids = columns["id"].tolist()
        self.drop(ids)
        given = {"point": points_km(columns["lat"], columns["lon"])} if "point" not in columns else {}
        given |= columns
        rows = self._take_rows(len(ids))
        self._make_room(given)
        for name, values in given.items():
            self._columns[name][rows] = values
        self._rows.update(zip(ids, rows.tolist(), strict=True))
        for skill, mine in _by_skill(columns["skills"]):
            self._of_skill[skill] = np.concatenate((self._of_skill[skill], rows[mine]))

    def drop(self, ids: Iterable[int]) -> None:
        """Take listings off; ids that are not there are passed over."""
        rows = [row for listing_id in ids if (row := self._rows.pop(listing_id, None)) is not None]
        if not rows:
            return
        for skill, _ in _by_skill(self._columns["skills"][rows]):
            kept = np.isin(self._of_skill[skill], rows, invert=True)
            self._of_skill[skill] = self._of_skill[skill][kept]
        self._left += rows

    def everything(self) -> dict[str, NDArray[Any]]:
        """Return a copy of the columns of all listings, for put(); empty before the first."""
        return self.take(np.fromiter(self._rows.values(), np.int64, len(self._rows)))

    def of_skills(self, skills: BoolArray) -> IntArray:
        """Return the rows with one of these skills at least, (n_skills,) bool; each once, in order of id."""
        return self._in_order(self._having(skills))

    def in_reach(
        self,
        skills: BoolArray,
        *,
        levels: tuple[int, int],
        lat: float,
        lon: float,
        radius_km: float,
        places: int,
    ) -> IntArray:
        """Return those of of_skills() at these levels (least, most) that may meet a listing.

        `lat`, `lon` in degrees or NaN, `radius_km` and `places`: of that listing. All that can meet it,
        on site within both radii or remotely, are there; and a few at the very edge that cannot.
        """
        rows = self._having(skills)
        level, common = self._columns["level"][rows], self._columns["places"][rows] & places
        fits = (level >= levels[0]) & (level <= levels[1])
        # Most are far away, and latitude alone says so of nearly all of them; NaN is never near.
        about = np.abs(self._columns["lat"][rows] - lat) <= (radius_km + MARGIN_KM) / KM_PER_DEGREE
        remotely = fits & (common & REMOTE > 0)
        on_site = rows[fits & about & (common & ON_SITE > 0) & ~remotely]
        x, y, z = np.moveaxis(self._columns["point"][on_site] - points_km(lat, lon), -1, 0)
        reach = np.minimum(self._columns["radius_km"][on_site], radius_km) + MARGIN_KM
        near = x * x + y * y + z * z <= reach * reach
        return self._in_order(np.concatenate((rows[remotely], on_site[near])))

    def rows(self, ids: Iterable[int]) -> IntArray:
        """Return the rows of these listings, but those that are not there."""
        found = (self._rows.get(listing_id) for listing_id in ids)
        return np.array([row for row in found if row is not None], np.int64)

    def take(self, rows: IntArray) -> dict[str, NDArray[Any]]:
        """Return the columns of these rows, as they were given, and their `point`, as Needs has it."""
        return {name: values[rows] for name, values in self._columns.items()}

    def column(self, name: str, rows: IntArray) -> NDArray[Any]:
        values: NDArray[Any] = self._columns[name][rows]
        return values

    def _having(self, skills: BoolArray) -> IntArray:
        found = [self._of_skill[skill] for skill in np.flatnonzero(skills).tolist()]
        return np.concatenate([np.empty(0, np.int64), *found])

    def _in_order(self, rows: IntArray) -> IntArray:
        ids, first = np.unique(self._columns["id"][rows], return_index=True)
        return rows[first] if len(ids) else rows

    def _take_rows(self, n: int) -> IntArray:
        again = [self._left.pop() for _ in range(min(n, len(self._left)))]
        fresh = np.arange(self._used, self._used + n - len(again))
        self._used += len(fresh)
        return np.concatenate((np.array(again, np.int64), fresh))

    def _make_room(self, given: Columns) -> None:
        for name, values in given.items():
            held = self._columns.get(name)
            if held is not None and len(held) >= self._used:
                continue
            rows = max(self._used, _FIRST_ROWS if held is None else 2 * len(held))
            grown = np.empty((rows, *values.shape[1:]), values.dtype)
            if held is not None:
                grown[: len(held)] = held
            self._columns[name] = grown


def _by_skill(skills: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yield each skill, and the positions of the listings that have it."""
    position, column = np.nonzero(skills >= 0)
    if not len(position):
        return
    skill, position = np.divmod(np.unique(skills[position, column] * len(skills) + position), len(skills))
    found, starts = np.unique(skill, return_index=True)
    yield from zip(found.tolist(), np.split(position, starts[1:]), strict=True)
