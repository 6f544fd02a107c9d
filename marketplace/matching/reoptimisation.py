"""An optimal assignment kept optimal while the market changes, at the cost of what the change touches."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from heapq import heappop, heappush
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching._solver import Graph, falling_order, offsets, solve
from marketplace.matching.assignment import (
    UNITS_PER_ONE,
    checked_graph,
    in_weight,
    require_objective,
    weight_units,
)
from marketplace.matching.validation import FloatArray, IntArray, count, integers, same_length, weights

Changes = dict[int, int]
_Step = TypeVar("_Step")

NOBODY = -1
# With objective "coverage" each match counts so many units more than its weight: more than all weights make.
COVERAGE_UNITS = 2**100


class LiveAssignment:
    """A maximum-weight b-matching that follows the market.

    Each act returns the needs whose offer it changed, with their offer now, −1 for none. After each act the
    assignment is an optimum of the market as it is then, as good as assign() would find.

    Parameters
    ----------
    need, offer, weight, n_needs, capacity, objective
        As for assign(), which finds the first optimum.

    Notes
    -----
    Keeps the assignment, the price u of each need and the price p of each offer, with u[i] + p[j] ≥ weight,
    equal for matches, u = 0 without offer and p = 0 with room: all that optimality takes. A need that comes,
    or has lost its offer, is inserted as assign() inserts it, along a shortest augmenting path. A place that
    has become free at a price is the mirror image: it looks for a need that no offer has, or hands the
    vacancy on along a shortest path until it stays at an offer that then costs nothing. Prices change only on
    the way [1]_. An act takes O(e log e) for the e edges that its searches read: a few tens in a market, all
    of them at worst. Numbers are whole, in units of 1e-9, and Python's own: exact at any size.

    References
    ----------
    .. [1] G. A. Mills-Tettey, A. Stentz, M. B. Dias, "The dynamic Hungarian algorithm for the assignment
    problem
       with changing costs", Carnegie Mellon University, CMU-RI-TR-07-27, 2007.
    """

    def __init__(
        self,
        need: ArrayLike,
        offer: ArrayLike,
        weight: ArrayLike,
        n_needs: int,
        capacity: ArrayLike,
        *,
        objective: str = "weight",
    ) -> None:
        require_objective(objective)
        graph = checked_graph(need, offer, weight, n_needs, capacity, objective="weight")
        self._bonus = COVERAGE_UNITS if objective == "coverage" else 0
        self._graph = _LiveGraph(graph, self._bonus)
        matching = solve(replace(graph, lift=graph.lift + self._bonus))
        gain, price = matching.prices()
        self._capacity: list[int] = graph.capacity.tolist()
        self._offer: list[int] = matching.assignment.tolist()
        self._members: dict[int, set[int]] = defaultdict(set)
        for i in np.flatnonzero(matching.assignment != NOBODY).tolist():
            self._members[self._offer[i]].add(i)
        self._gain: list[int] = gain.tolist()
        self._price: list[int] = price.tolist()
        self._before: dict[int, int] = {}

    @property
    def assignment(self) -> IntArray:
        """The offer of each need, −1 where none; needs that were withdrawn keep their row."""
        return np.array(self._offer, np.int64)

    @property
    def capacity(self) -> IntArray:
        """The places of each offer; 0 for one that was withdrawn."""
        return np.array(self._capacity, np.int64)

    @property
    def prices(self) -> tuple[FloatArray, FloatArray]:
        """The prices u of needs and p of offers, as assign() gives them and verify() takes them.

        With objective "coverage" they speak of weights raised by COVERAGE_UNITS · 1e-9, in exact fractions.
        """
        return in_weight(np.array(self._gain, object)), in_weight(np.array(self._price, object))

    @property
    def edges(self) -> tuple[IntArray, IntArray, FloatArray]:
        """The needs, offers and weights of the edges as they are now; O(edges)."""
        rows = [
            (i, j, worth - self._bonus)
            for i, is_open in enumerate(self._graph.open_needs)
            if is_open
            for j, worth in self._graph.offers_of(i)
        ]
        need, offer, units = np.array(rows, np.int64).reshape(-1, 3).T
        return need, offer, units / UNITS_PER_ONE

    @property
    def total_weight(self) -> float:
        """The sum of the weights of all matches; O(listings).

        By duality it is what the prices are worth, less the bonus of each match.
        """
        places = zip(self._capacity, self._price, strict=True)
        value = sum(self._gain) + sum(room * price for room, price in places)
        return (value - self._bonus * sum(map(len, self._members.values()))) / UNITS_PER_ONE

    def add_need(self, offers: ArrayLike, weight: ArrayLike) -> tuple[int, Changes]:
        """Add a need with edges to these offers; return its row and what changed."""
        need = self._graph.add_need(_checked_edges("offers", offers, weight, self._graph.open_offers))
        self._offer.append(NOBODY)
        self._gain.append(0)
        self._insert(need)
        return need, self._changes()

    def add_offer(self, capacity: int, needs: ArrayLike, weight: ArrayLike) -> tuple[int, Changes]:
        """Add an offer with edges from these needs; return its row and what changed."""
        places = count("capacity", capacity)
        offer = self._graph.add_offer(_checked_edges("needs", needs, weight, self._graph.open_needs))
        self._capacity.append(places)
        asked = (worth - self._gain[i] for i, worth in self._graph.needs_of(offer))
        self._price.append(max(0, max(asked, default=0)))
        self._fill(offer)
        return offer, self._changes()

    def withdraw_need(self, need: int) -> Changes:
        """Take a need and its edges out of the market."""
        _require_open("need", need, self._graph.open_needs)
        offer = self._offer[need]
        self._graph.open_needs[need] = False
        self._move(need, NOBODY)
        if offer != NOBODY:
            self._fill(offer)
        return self._changes()

    def withdraw_offer(self, offer: int) -> Changes:
        """Take an offer and its edges out of the market; its needs look for another."""
        _require_open("offer", offer, self._graph.open_offers)
        self._graph.open_offers[offer] = False
        self._capacity[offer], self._price[offer] = 0, 0
        self._expel(offer, len(self._members[offer]))
        return self._changes()

    def decline(self, need: int, offer: int) -> Changes:
        """Take the edges of a pair out for good, as when one of the two says no."""
        _require_open("need", need, self._graph.open_needs)
        _require_open("offer", offer, self._graph.open_offers)
        self._graph.declined.add((need, offer))
        if self._offer[need] == offer:
            self._move(need, NOBODY)
            self._insert(need)
            self._fill(offer)
        return self._changes()

    def set_capacity(self, offer: int, capacity: int) -> Changes:
        """Change how many needs an offer takes; those too many look for another."""
        _require_open("offer", offer, self._graph.open_offers)
        self._capacity[offer] = count("capacity", capacity)
        self._expel(offer, len(self._members[offer]) - capacity)
        self._fill(offer)
        return self._changes()

    def _expel(self, offer: int, too_many: int) -> None:
        """Let as many needs of an offer go, the last first; they look for another one by one."""
        leaving = sorted(self._members[offer], reverse=True)[: max(too_many, 0)]
        for need in leaving:
            self._move(need, NOBODY)
        for need in leaving:
            self._insert(need)

    def _insert(self, newcomer: int) -> None:
        """Give a need without offer the best there is, along a shortest path of needs that change their
        offer.

        The path ends at an offer with a free place, or at a need that had better go without.
        """
        best = max((worth - self._price[j] for j, worth in self._graph.offers_of(newcomer)), default=0)
        if best <= 0:
            return
        self._gain[newcomer] = best
        end, leaver = NOBODY, newcomer
        paths: _Paths[int] = _Paths()
        needs: list[int] | None = [newcomer]
        while needs is not None:
            for need in needs:
                base = paths.so_far + self._gain[need]
                if base < best:
                    best, end, leaver = base, NOBODY, need
                for offer, worth in self._graph.offers_of(need):
                    length = base - worth + self._price[offer]
                    if length < best and paths.reach(offer, length, need) and self._has_room(offer):
                        best, end = length, offer
            offer = paths.settle_nearest(best)
            needs = sorted(self._members[offer]) if offer != NOBODY else None
        for offer in paths.settled:
            self._raise(offer, best - paths.length[offer])
        self._gain[newcomer] -= best
        mover = leaver if end == NOBODY else paths.via[end]
        while mover != newcomer:
            left = self._offer[mover]
            self._move(mover, end)
            mover, end = paths.via[left], left
        self._move(newcomer, end)

    def _fill(self, offer: int) -> None:
        """Let the free places of an offer find needs, until none is free or a place costs nothing."""
        while self._price[offer] > 0 and self._has_room(offer):
            self._fill_one(offer)

    def _fill_one(self, first: int) -> None:
        """Hand a vacancy on, along a shortest path of offers that take the need of the next.

        The path ends at a need that has no offer, or at an offer that the vacancy leaves worth nothing.
        """
        best, end, newcomer = self._price[first], first, NOBODY
        paths: _Paths[tuple[int, int]] = _Paths()
        paths.reach(first, 0, (NOBODY, NOBODY))
        offer = paths.settle_nearest(best)
        while offer != NOBODY:
            base = paths.so_far + self._price[offer]
            if base < best:
                best, end, newcomer = base, offer, NOBODY
            for need, worth in self._graph.needs_of(offer):
                holder = self._offer[need]
                length = base - worth + self._gain[need]
                if length >= best:
                    continue
                if holder == NOBODY:
                    best, end, newcomer = length, offer, need
                else:
                    paths.reach(holder, length, (need, offer))
            offer = paths.settle_nearest(best)
        for offer in paths.settled:
            self._raise(offer, paths.length[offer] - best)
        if newcomer != NOBODY:
            self._move(newcomer, end)
        while end != first:
            need, taker = paths.via[end]
            self._move(need, taker)
            end = taker

    def _has_room(self, offer: int) -> bool:
        return len(self._members[offer]) < self._capacity[offer]

    def _raise(self, offer: int, by: int) -> None:
        """Change the price of an offer; what its needs gain follows."""
        self._price[offer] += by
        for need in self._members[offer]:
            self._gain[need] -= by

    def _move(self, need: int, offer: int) -> None:
        """Give a need this offer, or none, in place of the one it has."""
        before = self._offer[need]
        self._before.setdefault(need, before)
        if before != NOBODY:
            self._members[before].remove(need)
        if offer != NOBODY:
            self._members[offer].add(need)
        else:
            self._gain[need] = 0
        self._offer[need] = offer

    def _changes(self) -> Changes:
        """Return the needs whose offer has changed since the last call."""
        before, self._before = self._before, {}
        return {i: self._offer[i] for i in sorted(before) if self._offer[i] != before[i]}


class _Paths(Generic[_Step]):
    """Shortest paths to offers, by Dijkstra's algorithm: lengths, last steps, and the offers settled."""

    def __init__(self) -> None:
        self.length: dict[int, int] = {}
        self.via: dict[int, _Step] = {}
        self.settled: list[int] = []
        self.so_far = 0
        self._heap: list[tuple[int, int]] = []

    def reach(self, offer: int, length: int, step: _Step) -> bool:
        """Keep a path to an offer if it is the shortest yet, and say so."""
        if length >= self.length.get(offer, length + 1):
            return False
        self.length[offer], self.via[offer] = length, step
        heappush(self._heap, (length, offer))
        return True

    def settle_nearest(self, below: int) -> int:
        """Return the nearest offer not settled yet, NOBODY if none is nearer than `below`."""
        while self._heap and self._heap[0][0] < below:
            length, offer = heappop(self._heap)
            if length == self.length[offer]:
                self.so_far = length
                self.settled.append(offer)
                return offer
        return NOBODY


class _LiveGraph:
    """Edges that come and go; each worth its weight in units, and the bonus."""

    def __init__(self, graph: Graph, bonus: int) -> None:
        self.open_needs, self.open_offers = [True] * graph.n_needs, [True] * graph.n_offers
        self.declined: set[tuple[int, int]] = set()
        self._by_need = _Lists(graph.need, graph.offer, graph.worth, graph.n_needs, bonus)
        self._by_offer = _Lists(graph.offer, graph.need, graph.worth, graph.n_offers, bonus)

    def offers_of(self, need: int) -> list[tuple[int, int]]:
        """Return the offers that an open need has an edge to, and what the edges are worth."""
        return [
            (j, worth)
            for j, worth in self._by_need.of(need)
            if self.open_offers[j] and (need, j) not in self.declined
        ]

    def needs_of(self, offer: int) -> list[tuple[int, int]]:
        """Return the needs that an open offer has an edge from, and what the edges are worth."""
        return [
            (i, worth)
            for i, worth in self._by_offer.of(offer)
            if self.open_needs[i] and (i, offer) not in self.declined
        ]

    def add_need(self, edges: list[tuple[int, int]]) -> int:
        self.open_needs.append(True)
        return self._by_need.add(edges, self._by_offer)

    def add_offer(self, edges: list[tuple[int, int]]) -> int:
        self.open_offers.append(True)
        return self._by_offer.add(edges, self._by_need)


class _Lists:
    """The edges of each row of one side: arrays to begin with, lists for what comes later."""

    def __init__(self, row: IntArray, other: IntArray, units: IntArray, n_rows: int, bonus: int) -> None:
        order = falling_order(row, other, units)
        self._start = offsets(np.bincount(row, minlength=n_rows))
        self._other, self._units = other[order], units[order]
        self._bonus = bonus
        self._later: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._n_rows = n_rows

    def of(self, row: int) -> Iterator[tuple[int, int]]:
        if row + 1 < len(self._start):
            span = slice(self._start[row], self._start[row + 1])
            for other, units in zip(self._other[span].tolist(), self._units[span].tolist(), strict=True):
                yield other, units + self._bonus
        yield from self._later.get(row, ())

    def add(self, edges: list[tuple[int, int]], mirror: "_Lists") -> int:
        """Add a row with these edges, (other, units), and each edge to the other side; return the row."""
        row = self._n_rows
        self._n_rows += 1
        for other, units in edges:
            self._later[row].append((other, units + self._bonus))
            mirror._later[other].append((row, units + self._bonus))
        return row


def _checked_edges(
    name: str, others: ArrayLike, weight: ArrayLike, is_open: list[bool]
) -> list[tuple[int, int]]:
    rows = integers(name, others, low=0, high=len(is_open))
    floats = weights("weight", weight)
    same_length(**{name: rows, "weight": floats})
    for row in rows.tolist():
        _require_open(name, row, is_open)
    return list(zip(rows.tolist(), weight_units(floats).tolist(), strict=True))


def _require_open(name: str, row: int, is_open: list[bool]) -> None:
    if count(name, row) >= len(is_open) or not is_open[row]:
        raise ValueError(f"{name} {row} is not in the market")
