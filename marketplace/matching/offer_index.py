"""Offers ordered by skill, place, level and sector: the best of a need are found without trying all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from marketplace.matching import _best_first as kernel
from marketplace.matching.arrays import LEVELS, ON_SITE, REMOTE, Edges, Needs, Offers
from marketplace.matching.distance import SEMI_MAJOR_KM
from marketplace.matching.pairs import refusal_km
from marketplace.matching.policy import Policy
from marketplace.matching.scoring import feasible_edges, level_values, waiting_values
from marketplace.matching.sectors import DEPTH
from marketplace.matching.ties import Wheel
from marketplace.matching.validation import BoolArray, FloatArray, IntArray

# Needs treated at a time: bounds the memory, about 60 MB a worker.
BLOCK = 4096
# Entries of a leaf, and children of a node.
FAN = 8
# Bits a side of the cells along the Z-order curve: cells of 25 m over the whole Earth.
CELL_BITS = 19


class OfferIndex:
    """Packed trees of boxes over the offers of each skill: one for meeting, one for remote exchanges.

    The entries of a skill follow a Z-order curve (Morton 1966) and, at one point, level, section and the
    wheel of ties; each eight make a node, bottom up (Kamel and Faloutsos 1993). So a node holds offers that
    are alike, and its bounds say what the best of them could be worth to a need. Built in O(n log n).
    """

    def __init__(
        self, needs: Needs, offers: Offers, policy: Policy, *, banned: IntArray, top_k: int, workers: int
    ) -> None:
        wheel = Wheel(needs, offers)
        waiting = policy.weights["waiting"] * waiting_values(needs.waiting_days, needs.urgency, policy)
        width = max(len(offers), 1)
        self.needs, self.offers, self.policy = needs, offers, policy
        self.top_k, self.workers = top_k, workers
        # Needs that look for the same in the same place follow each other: what they read is still at hand.
        alike: IntArray = np.lexsort((cells(needs), needs.skills[:, 0]))
        self.blocks: Sequence[IntArray] = [alike[i : i + BLOCK] for i in range(0, len(needs), BLOCK)]
        self._columns: tuple[Any, ...] = (
            _listings(needs, np.arange(len(needs)), 0, turn=wheel.start, waiting=waiting),
            np.ascontiguousarray(needs.skills, np.int64),
            len(offers),
            np.ascontiguousarray(offers.skills, np.int64),
            *_tree(offers, policy, wheel),
            *_tables(policy),
            banned % width,
            np.searchsorted(banned, np.arange(len(needs) + 1) * width),
        )

    def best(self, rows: IntArray) -> Edges:
        """Return the best edges of these needs, best first; about O(top_k · log n) for each need."""
        found = np.empty((2, self.top_k * len(rows)), np.int64)
        written = kernel.best_pairs(rows, self.top_k, *self._columns, *found) if self.top_k else 0
        need, offer = found[:, :written]
        return feasible_edges(self.needs, need, self.offers, offer, self.policy)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What entries or nodes hold; n rows, sorted by skill."""

    skill: IntArray
    low: FloatArray
    high: FloatArray
    radius_km: FloatArray
    has_main: BoolArray
    levels: IntArray
    sector_from: IntArray
    sector_to: IntArray
    turn_from: IntArray
    turn_to: IntArray

    def __len__(self) -> int:
        return len(self.skill)

    def packed(self, starts: IntArray) -> Self:
        """Return the bounds of the groups that begin at `starts`."""
        return type(self)(
            skill=self.skill[starts],
            low=np.minimum.reduceat(self.low, starts),
            high=np.maximum.reduceat(self.high, starts),
            radius_km=np.maximum.reduceat(self.radius_km, starts),
            has_main=np.logical_or.reduceat(self.has_main, starts),
            levels=np.bitwise_or.reduceat(self.levels, starts),
            sector_from=np.minimum.reduceat(self.sector_from, starts),
            sector_to=np.maximum.reduceat(self.sector_to, starts),
            turn_from=np.minimum.reduceat(self.turn_from, starts),
            turn_to=np.maximum.reduceat(self.turn_to, starts),
        )

    def nodes(self, *, child: IntArray, children: IntArray, is_leaf: bool, is_remote: bool) -> kernel.Rows:
        given = {"child": child, "children": children, "is_leaf": is_leaf, "is_remote": is_remote}
        for axis, name in enumerate("xyz"):
            given |= {f"low_{name}": self.low[:, axis], f"high_{name}": self.high[:, axis]}
        names = [name for name in kernel.NODE.names or () if name not in given]
        return _rows(kernel.NODE, len(self), given | {name: getattr(self, name) for name in names})


def _rows(dtype: np.dtype[Any], n: int, columns: dict[str, Any]) -> kernel.Rows:
    rows = np.zeros(n, dtype)
    for name in dtype.names or ():
        rows[name] = columns[name]
    return rows


def _listings(
    listings: Needs | Offers,
    row: IntArray,
    column: IntArray | int,
    *,
    turn: IntArray,
    waiting: FloatArray | float,
) -> kernel.Rows:
    """Return rows of needs or offers as best_pairs() takes them."""
    columns = {"row": row, "column": column, "turn": turn[row], "waiting": waiting}
    columns |= {name: listings.point[row, axis] for axis, name in enumerate("xyz")}
    columns["refusal_km"] = refusal_km(listings)[row]
    names = [name for name in kernel.LISTING.names or () if name not in columns]
    return _rows(kernel.LISTING, len(row), columns | {name: getattr(listings, name)[row] for name in names})


def _tree(offers: Offers, policy: Policy, wheel: Wheel) -> tuple[kernel.Rows, kernel.Rows, kernel.Rows]:
    """Return nodes, entries, and the roots of each skill."""
    nodes: list[kernel.Rows] = []
    entries: list[kernel.Rows] = []
    roots = np.full(len(policy.skills), -1, kernel.ROOT)
    on_site = np.isfinite(offers.lat) & (offers.places & ON_SITE > 0)
    for name, usable in (("site", on_site), ("remote", offers.places & REMOTE > 0)):
        offer, column = _entries(offers, usable & (offers.capacity > 0), policy, wheel)
        bounds = _bounds(offers, offer, column, policy, wheel)
        below = sum(map(len, entries))
        entries.append(_listings(offers, offer, column, turn=wheel.place, waiting=0.0))
        is_leaf = True
        while len(bounds):
            group = np.searchsorted(bounds.skill, bounds.skill)
            starts = np.flatnonzero((np.arange(len(bounds)) - group) % FAN == 0)
            children = np.diff(np.append(starts, len(bounds)))
            bounds = bounds.packed(starts)
            first = sum(map(len, nodes))
            nodes.append(
                bounds.nodes(
                    child=below + starts, children=children, is_leaf=is_leaf, is_remote=name == "remote"
                )
            )
            alone = np.flatnonzero(np.bincount(bounds.skill)[bounds.skill] == 1)
            alone = alone[roots[name][bounds.skill[alone]] < 0]
            roots[name][bounds.skill[alone]] = first + alone
            if (roots[name][bounds.skill] >= 0).all():
                break
            below, is_leaf = first, False
    return np.concatenate([np.empty(0, kernel.NODE), *nodes]), np.concatenate(entries), roots


def _entries(offers: Offers, usable: BoolArray, policy: Policy, wheel: Wheel) -> tuple[IntArray, IntArray]:
    """Return these offers once for each skill, and the column of that skill, alike ones together."""
    offer, column = np.nonzero((offers.skills >= 0) & usable[:, None])
    keys = (
        wheel.place[offer],
        policy.sectors.path[offers.sector[offer], 0],
        offers.level[offer],
        column > 0,
        cells(offers)[offer],
        offers.skills[offer, column],
    )
    order = np.lexsort(keys)
    return offer[order], column[order]


def cells(listings: Needs | Offers) -> IntArray:
    """Return the place of each point along the Z-order curve."""
    points = np.nan_to_num(listings.point)
    sides = ((points + SEMI_MAJOR_KM) / (2 * SEMI_MAJOR_KM) * ((1 << CELL_BITS) - 1)).astype(np.int64)
    code = np.zeros(len(listings), np.int64)
    for bit in range(CELL_BITS):
        for axis in range(3):
            code |= (sides[:, axis] >> bit & 1) << 3 * bit + axis
    return code


def _bounds(offers: Offers, offer: IntArray, column: IntArray, policy: Policy, wheel: Wheel) -> _Bounds:
    sector = _branch_places(policy)[offers.sector[offer]]
    return _Bounds(
        skill=offers.skills[offer, column],
        low=offers.point[offer],
        high=offers.point[offer],
        radius_km=offers.radius_km[offer],
        has_main=column == 0,
        levels=1 << offers.level[offer] - 1,
        sector_from=sector,
        sector_to=sector,
        turn_from=wheel.place[offer],
        turn_to=wheel.place[offer],
    )


def _tables(policy: Policy) -> tuple[NDArray[Any], ...]:
    """Return the policy as best_pairs() takes it."""
    similarity = policy.similarity()
    skill, other = np.nonzero(similarity >= policy.skill_floor)
    near = _rows(kernel.NEAR, len(skill), {"skill": other, "similarity": similarity[skill, other]})
    numbers = {name: getattr(policy, name) for name in ("skill_floor", "extra_skill_factor")}
    numbers |= {name: getattr(policy, name) for name in ("half_distance_km", "remote_value")}
    return (
        near,
        np.searchsorted(skill, np.arange(len(similarity) + 1)),
        similarity,
        *_level_tables(policy),
        _branches(policy),
        policy.weights["sector"] * (np.arange(DEPTH + 1) / DEPTH),
        _rows(kernel.RULES, 1, numbers | dict(policy.weights)),
    )


def _level_tables(policy: Policy) -> tuple[FloatArray, FloatArray]:
    """Return the value of levels, wanted by offered, and the best of each set offered; −1 where too low."""
    most = LEVELS[1]
    value, best = np.full((most + 1, most + 1), -1.0), np.full((most + 1, 1 << most), -1.0)
    for wanted in range(LEVELS[0], most + 1):
        gap = np.arange(LEVELS[0], most + 1) - wanted
        value[wanted, LEVELS[0] :] = np.where(gap < -policy.level_gap, -1.0, level_values(gap))
        for offered in range(LEVELS[0], most + 1):
            holds = np.arange(1 << most) >> offered - 1 & 1 == 1
            best[wanted, holds] = np.maximum(best[wanted, holds], value[wanted, offered])
    return value, best


def _branch_places(policy: Policy) -> IntArray:
    """Return the place of each sector when branches are kept together."""
    path = policy.sectors.path
    place = np.empty(len(path), np.int64)
    place[np.lexsort(path.T[::-1])] = np.arange(len(path))
    return place


def _branches(policy: Policy) -> kernel.Rows:
    """Return the branch of each sector at each depth, (n, 5); empty below the sector."""
    path = policy.sectors.path
    order = np.lexsort(path.T[::-1])
    branches = np.zeros(path.shape, kernel.BRANCH)
    branches["root"] = path
    for depth in range(DEPTH):
        new = np.ones(len(path), np.bool_)
        new[1:] = (path[order[1:], : depth + 1] != path[order[:-1], : depth + 1]).any(axis=1)
        starts = np.flatnonzero(new)
        sizes = np.diff(np.append(starts, len(path)))
        known = path[order, depth] >= 0
        branches["start"][order, depth] = np.where(known, np.repeat(starts, sizes), 0)
        branches["end"][order, depth] = np.where(known, np.repeat(starts + sizes, sizes), 0)
    return branches
