"""Maximum-weight b-matching: each need takes one offer at most, each offer as many needs as it has places."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching import _kernels
from marketplace.matching.validation import BoolArray, FloatArray, IntArray, count, integers, same_length, weights

OBJECTIVES = ("weight", "coverage")
# Weights are counted in whole units of 1e-9.
UNITS_PER_ONE = 10**9
# Sums of three prices fit in 64 bits up to here; beyond, plain Python counts without limit.
_INT64_SAFE = 2**60
# A whole number of units survives the way through a float of weight up to here.
_FLOAT_SAFE = 2**51


@overload
def assign(
    need: ArrayLike,
    offer: ArrayLike,
    weight: ArrayLike,
    n_needs: int,
    capacity: ArrayLike,
    *,
    objective: str = ...,
    certificate: Literal[False] = ...,
) -> IntArray: ...


@overload
def assign(
    need: ArrayLike,
    offer: ArrayLike,
    weight: ArrayLike,
    n_needs: int,
    capacity: ArrayLike,
    *,
    objective: str = ...,
    certificate: Literal[True],
) -> tuple[IntArray, FloatArray, FloatArray]: ...


def assign(
    need: ArrayLike,
    offer: ArrayLike,
    weight: ArrayLike,
    n_needs: int,
    capacity: ArrayLike,
    *,
    objective: str = "weight",
    certificate: bool = False,
) -> IntArray | tuple[IntArray, FloatArray, FloatArray]:
    """Find a maximum-weight b-matching of a sparse bipartite graph.

    Parameters
    ----------
    need, offer : (n_edges,) array_like of int
        The edges, in any order; of several edges of one pair the heaviest counts.
    weight : (n_edges,) array_like of float
        Positive and finite; read to the nearest 1e-9, and never as less than 1e-9.
    n_needs : int
    capacity : (n_offers,) array_like of int
        How many needs each offer takes, 0 or more.
    objective : {"weight", "coverage"}
        "weight": the largest sum of weights. "coverage": first as many needs as possible, then the largest sum.
    certificate : bool
        Also return prices that prove the optimum; see verify().

    Returns
    -------
    assignment : (n_needs,) ndarray of int
        The offer of each need, −1 where none.
    u : (n_needs,) ndarray of float
        With `certificate`: what each need gains from the round, in units of weight.
    p : (n_offers,) ndarray of float
        With `certificate`: the price of a place of each offer. With objective "coverage", u and p speak of
        weights raised by coverage_bonus().

    Raises
    ------
    ValueError
        Naming the argument: an index out of range, lengths that differ, a weight that is NaN, infinite, 0 or
        less or above validation.WEIGHT_MAX, a capacity below 0 or not whole, an unknown objective.

    Notes
    -----
    Successive shortest augmenting paths with prices [1]_ [2]_ [3]_: one price for each column (an offer, whatever
    its places), rows inserted one at a time by Dijkstra's algorithm on reduced costs, stopped at the first free
    place or at the first row that had better stay alone. Rows are the side with fewer units, needs with an edge or
    places. Most rows are placed before by each bidding for its best edges down to its next best, as in an auction
    [4]_. Edges of a row are sorted by falling weight, so that a search reads only the first few.

    The result is exact. All arithmetic is on whole numbers of 1e-9, so no rounding can make a search loop or stop
    early; sums stay below 2⁶² or are done in Python's unbounded integers. Coverage adds one bonus to every weight,
    more than all weights together can lose by one more match, so that count comes first (see coverage_bonus()).
    Among several optima the choice follows the rows of needs and offers, never the order of edges, and is the same
    with and without numba.

    O(rows · (edges log edges)) at worst; near-linear on markets as measured in docs/assignment.md.

    References
    ----------
    .. [1] J. Edmonds, R. M. Karp, "Theoretical improvements in algorithmic efficiency for network flow problems",
       J. ACM 19, 1972.
    .. [2] R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment
       problems", Computing 38, 1987.
    .. [3] R. K. Ahuja, T. L. Magnanti, J. B. Orlin, "Network Flows", 1993, chapters 9 and 12.
    .. [4] D. P. Bertsekas, "The auction algorithm", Annals of Operations Research 14, 1988.

    Examples
    --------
    >>> assign([0, 0, 1], [0, 1, 0], [0.9, 0.8, 0.7], 2, [1, 1])
    array([1, 0])
    """
    graph = _Graph.checked(need, offer, weight, n_needs, capacity, objective)
    solution = _solve(graph)
    if not certificate:
        return solution.assignment
    u, p = _prices(graph, solution)
    return solution.assignment, _in_weight(u), _in_weight(p)


def coverage_bonus(weight: ArrayLike, n_needs: int, capacity: ArrayLike) -> float:
    """Return what objective "coverage" adds to every weight, so that count comes before weight.

    The most matches there can be (the smaller of `n_needs` and all places), times the difference between the
    largest and the smallest weight. Let A have more matches than B, at most k. The weight of B is at most |B| times
    the largest weight, that of A at least |A| times the smallest: so B is heavier than A by less than |B| ≤ k
    times the difference. With the bonus, A is the heavier one.
    """
    units = _units_of(weights("weight", weight))
    return _bonus(units, count("n_needs", n_needs), integers("capacity", capacity, low=0)) / UNITS_PER_ONE


def verify(
    need: ArrayLike,
    offer: ArrayLike,
    weight: ArrayLike,
    n_needs: int,
    capacity: ArrayLike,
    assignment: ArrayLike,
    u: ArrayLike,
    p: ArrayLike,
    *,
    objective: str = "weight",
) -> None:
    """Check that `assignment` is an optimum, by the prices of assign(..., certificate=True).

    Parameters
    ----------
    need, offer, weight, n_needs, capacity, objective
        As given to assign().
    assignment : (n_needs,) array_like of int
    u, p : (n_needs,) and (n_offers,) array_like of float
        Read to the nearest 1e-9.

    Raises
    ------
    ValueError
        Saying what fails: bad input as for assign(); an assignment that is no edge or exceeds a capacity; a
        negative price; an edge worth more than its two prices; complementary slackness (a match worth less than
        its prices, a need without offer whose price is not 0, an offer with free places whose price is not 0);
        a gap between the value of the assignment and that of the prices.

    Notes
    -----
    Weak duality of linear programming: any feasible assignment is worth at most Σ u + Σ capacity · p for any u, p
    ≥ 0 with u[i] + p[j] ≥ weight of each edge. Where both are equal, both are optimal. It knows nothing of how
    assign() works, and computes with exact whole numbers. O(n_edges + n_needs + n_offers).
    """
    graph = _Graph.checked(need, offer, weight, n_needs, capacity, objective)
    given = integers("assignment", assignment, low=-1, high=len(graph.capacity))
    if len(given) != graph.n_needs:
        raise ValueError(f"assignment must have {graph.n_needs} elements, not {len(given)}")
    gain, price = _given_prices("u", u, graph.n_needs), _given_prices("p", p, len(graph.capacity))
    load = np.bincount(given[given >= 0], minlength=graph.n_offers)
    _refuse("assignment", load > graph.capacity, "offer {} has more needs than places")
    value = _value_of_matches(graph, given)
    served = given >= 0
    short = gain[graph.need] + price[graph.offer] < graph.worth
    loose = served & (gain + np.append(price, 0)[given] != value)
    _refuse("u, p", short, "edge {} is worth more than its two prices")
    _refuse("complementary slackness", loose, "the match of need {} is worth less than its two prices")
    _refuse("complementary slackness", ~served & (gain > 0), "need {} has no offer and a price above 0")
    idle = (load < graph.capacity) & (price > 0)
    _refuse("complementary slackness", idle, "offer {} has room and a price above 0")
    places = zip(graph.capacity.tolist(), price.tolist(), strict=True)
    if sum(gain.tolist()) + sum(room * each for room, each in places) != sum(value.tolist()):
        raise ValueError("gap: the assignment and its prices have different values")


@dataclass(frozen=True, slots=True)
class _Graph:
    """Checked edges; `units`: weights in whole units, to each of which the objective adds `bonus`."""

    need: IntArray
    offer: IntArray
    units: IntArray
    bonus: int
    n_needs: int
    capacity: IntArray

    @classmethod
    def checked(
        cls,
        need: ArrayLike,
        offer: ArrayLike,
        weight: ArrayLike,
        n_needs: int,
        capacity: ArrayLike,
        objective: str,
    ) -> "_Graph":
        if objective not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, not {objective!r}")
        n_needs = count("n_needs", n_needs)
        places = integers("capacity", capacity, low=0)
        needs = integers("need", need, low=0, high=n_needs)
        offers = integers("offer", offer, low=0, high=len(places))
        floats = weights("weight", weight)
        same_length(need=needs, offer=offers, weight=floats)
        units = _units_of(floats)
        bonus = _bonus(units, n_needs, places) if objective == "coverage" else 0
        return cls(needs, offers, units, bonus, n_needs, places)

    @property
    def n_offers(self) -> int:
        return len(self.capacity)

    @property
    def worth(self) -> IntArray:
        return _raised(self.units, self.bonus)


@dataclass(frozen=True, slots=True)
class _Rows:
    """One side of the graph as rows of units, the other as columns: what insert_units() works on.

    Attributes
    ----------
    owner : (n_units,) int
        The row of each unit, in order.
    start : (n_rows + 1,) int
    column, worth : (n_edges,) int
        Edges of each row, by falling worth and then by column.
    room : (n_columns,) int
        Units that each column takes.
    """

    owner: IntArray
    start: IntArray
    column: IntArray
    worth: IntArray
    room: IntArray


@dataclass(frozen=True, slots=True)
class _Solution:
    """The offer of each need, and the prices of the columns: of offers if `needs_are_rows`, of needs if not."""

    assignment: IntArray
    needs_are_rows: bool
    price: IntArray


def _solve(graph: _Graph) -> _Solution:
    live = graph.capacity[graph.offer] > 0
    need, offer, units = graph.need[live], graph.offer[live], graph.units[live]
    wanting = np.minimum(np.bincount(need, minlength=graph.n_needs), 1)
    places = np.minimum(np.bincount(offer, minlength=graph.n_offers), graph.capacity)
    needs_are_rows = bool(wanting.sum() <= places.sum())
    assignment = np.full(graph.n_needs, -1)
    if needs_are_rows:
        rows = _rows(need, offer, units, graph.bonus, wanting, graph.capacity)
        held, price = _placed(rows)
        assignment[rows.owner[held >= 0]] = rows.column[held[held >= 0]]
    else:
        rows = _rows(offer, need, units, graph.bonus, places, np.ones(graph.n_needs, np.int64))
        held, price = _placed(rows)
        assignment[rows.column[held[held >= 0]]] = rows.owner[held >= 0]
    return _Solution(assignment, needs_are_rows, price)


def _rows(
    row: IntArray, column: IntArray, units: IntArray, bonus: int, units_of_row: IntArray, room: IntArray
) -> _Rows:
    order = _by_row_and_worth(row, column, units)
    return _Rows(
        owner=np.repeat(np.arange(len(units_of_row)), units_of_row),
        start=_offsets(np.bincount(row, minlength=len(units_of_row))),
        column=column[order],
        worth=_raised(units[order], bonus),
        room=room,
    )


def _by_row_and_worth(row: IntArray, column: IntArray, units: IntArray) -> IntArray:
    """Return np.lexsort((column, -units, row)), by one sort where row and units fit together in 63 bits."""
    bits = int(units.max(initial=0)).bit_length()
    if int(row.max(initial=0) + 1).bit_length() + bits > 62:  # noqa: PLR2004
        return np.lexsort((column, -units, row))
    key = (row << bits) - units
    order = np.argsort(key)
    key = key[order]
    repeats = key[1:] == key[:-1]
    tied = np.flatnonzero(np.append(repeats, False) | np.append(False, repeats))
    some = order[tied]
    order[tied] = some[np.lexsort((column[some], key[tied]))]
    return order


def _placed(rows: _Rows) -> tuple[IntArray, IntArray]:
    """Return the edge that each unit holds in an optimum, −1 for none, and the price of each column."""
    n_columns = len(rows.room)
    worth, column, room = np.append(rows.worth, 0), np.append(rows.column, n_columns), np.append(rows.room, 1)
    first = _offsets(np.minimum(np.bincount(column), room))
    load, price = np.zeros(n_columns + 1, np.int64), np.zeros_like(worth, shape=n_columns + 1)
    member, place, held = np.full(first[-1], -1), np.full(len(rows.owner), -1), np.full(len(rows.owner), -1)
    unit, edge, rank, bid = _opening(rows)
    taken = column[edge]
    held[unit], place[unit] = edge, first[taken] + rank
    member[place[unit]] = unit
    load[:n_columns], load[n_columns] = np.bincount(taken, minlength=n_columns), 1
    full = rank + 1 == room[taken]
    price[taken[full]] = bid[full]
    held, price = _kernels.insert_all(
        _kernels.Board(rows.owner, rows.start, column, worth, room, first, load, member, place, held, price)
    )
    return held, price[:n_columns]


def _opening(rows: _Rows) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Let every unit bid for an edge of its row, down to the best edge that its row does not bid for.

    Return the units whose bid is among the highest that the column has room for, their edges, the rank of their
    bid there and the bid. At the lowest bid of a full column as its price, each of them has what it likes best.
    """
    if rows.worth.dtype == object or not len(rows.owner):
        return (np.empty(0, np.int64),) * 4
    of_row = np.bincount(rows.owner, minlength=len(rows.start) - 1)
    unit = np.arange(len(rows.owner))
    edge = rows.start[rows.owner] + unit - _offsets(of_row)[rows.owner]
    after = rows.start[:-1] + of_row
    next_best = np.where(after < rows.start[1:], np.append(rows.worth, 0)[after], 0)
    bid = rows.worth[edge] - next_best[rows.owner]
    order = np.lexsort((unit, -bid, rows.column[edge]))
    rank = _rank_among_equals(rows.column[edge[order]])
    kept = rank < rows.room[rows.column[edge[order]]]
    order = order[kept]
    return order, edge[order], rank[kept], bid[order]


def _prices(graph: _Graph, solution: _Solution) -> tuple[IntArray, IntArray]:
    """Return the prices of needs and of offers."""
    live = graph.capacity[graph.offer] > 0
    need, offer, worth = graph.need[live], graph.offer[live], graph.worth[live]
    price = solution.price
    if not solution.needs_are_rows:
        price = _least(offer, worth - solution.price[need], graph.n_offers)
        # An offer with more places than edges is never full: its needs keep the whole weight.
        price[np.bincount(offer, minlength=graph.n_offers) < graph.capacity] = 0
    gain = _least(need, worth - price[offer], graph.n_needs)
    closed = _least(graph.offer, graph.worth - gain[graph.need], graph.n_offers)
    return gain, np.where(graph.capacity > 0, price, closed)


def _least(index: IntArray, bounds: IntArray, n: int) -> IntArray:
    """Return the least numbers from 0 that are not below any of their bounds."""
    least = np.zeros_like(bounds, shape=n)
    np.maximum.at(least, index, bounds)
    return least


def _units_of(weight: FloatArray) -> IntArray:
    return np.maximum(np.rint(weight * UNITS_PER_ONE), 1).astype(np.int64)


def _bonus(units: IntArray, n_needs: int, capacity: IntArray) -> int:
    if not len(units):
        return 0
    return min(n_needs, int(sum(capacity.tolist()))) * int(units.max() - units.min())


def _raised(units: IntArray, bonus: int) -> IntArray:
    """Return units + bonus, as an array of Python integers where 64 bits may not hold what is made of them."""
    if int(units.max(initial=0)) + bonus > _INT64_SAFE:
        return np.asarray(units.astype(object) + bonus)
    return units + bonus


def _in_weight(units: IntArray) -> FloatArray:
    """Return prices in units of weight: floats, or an array of fractions where floats would not be exact."""
    if int(units.max(initial=0)) > _FLOAT_SAFE:
        return np.array([Fraction(int(price), UNITS_PER_ONE) for price in units.tolist()])
    return units.astype(np.float64) / UNITS_PER_ONE


def _given_prices(name: str, values: ArrayLike, n: int) -> IntArray:
    array = np.asarray(values)
    if array.shape != (n,):
        raise ValueError(f"{name} must be of shape ({n},), not {array.shape}")
    try:
        units = [round(value * UNITS_PER_ONE) for value in array.tolist()]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must hold finite numbers: {error}") from None
    if min(units, default=0) < 0:
        raise ValueError(f"{name} must be 0 or more, not {min(array.tolist())}")
    return np.array(units, np.int64 if max(units, default=0) <= _INT64_SAFE else object)


def _value_of_matches(graph: _Graph, assignment: IntArray) -> IntArray:
    """Return the worth of each need's match, its heaviest edge to the offer it has; ValueError if there is none."""
    chosen = assignment[graph.need] == graph.offer
    value = _least(graph.need[chosen], graph.worth[chosen], graph.n_needs)
    _refuse("assignment", (assignment >= 0) & (value == 0), "need {} has an offer that it has no edge to")
    return value


def _refuse(what: str, failing: BoolArray, told: str) -> None:
    if failing.any():
        raise ValueError(f"{what}: {told.format(int(np.argmax(failing)))}")


def _offsets(counts: IntArray) -> IntArray:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))


def _rank_among_equals(ordered: IntArray) -> IntArray:
    """Return the position of each element among its equals, in a sorted array."""
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    return np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
