"""Maximum-weight b-matching: each need takes one offer at most, each offer as many needs as it has places."""

from fractions import Fraction
from math import isfinite
from numbers import Real
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching._solver import INT64_SAFE, Graph, least, solve
from marketplace.matching.validation import FloatArray, IntArray, count, integers, same_length, weights

OBJECTIVES = ("weight", "coverage")
# Weights are counted in whole units of 1e-9.
UNITS_PER_ONE = 10**9
# A number of units survives the way to a float of weight and back up to here.
FLOAT_SAFE = 2**51


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
        "weight": the largest sum of weights. "coverage": first as many needs as possible, then the largest
        sum.
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
    Successive shortest augmenting paths with prices [1]_ [2]_ [3]_: one price for each column (an offer,
    whatever its places), the units of the rows inserted one at a time by Dijkstra's algorithm on reduced
    costs, stopped at the first free place or at the first unit that had better go without. Rows are the side
    with fewer units: needs that have an edge, or places. Most units are placed at once, each bidding for its
    row's best edges down to the next best, as in an auction [4]_. The edges of a row are sorted by falling
    weight, so that a search reads only the first few. Where needs and places are just as many, paths get
    long: once searches have read four rows per unit, the prices of a short auction take over as the start,
    and what they left askew is put right from both sides, still exactly.

    Floats cannot make the result wrong. Weights are read as whole numbers of 1e-9 and all that follows is
    sums and comparisons of whole numbers: no rounding can make a search loop or stop early. The sums fit in
    64 bits, or are done in Python's unbounded integers. Coverage adds one bonus to every weight, more than
    one match less can ever save (coverage_bonus() has the proof); a smaller bonus is tried first, and kept
    where a vertex cover proves that no more matches are possible (König 1931). Among several optima the
    choice follows the rows of needs and offers, never the order of edges, and is the same with numba, which
    compiles the inner loops where it is installed, and without.

    O(rows · edges · log(columns)) at worst, near-linear on markets: docs/assignment.md has the measures.

    References
    ----------
    .. [1] J. Edmonds, R. M. Karp, "Theoretical improvements in algorithmic efficiency for network flow
       problems", J. ACM 19, 1972.
    .. [2] R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
       assignment problems", Computing 38, 1987.
    .. [3] R. K. Ahuja, T. L. Magnanti, J. B. Orlin, "Network Flows", 1993, chapters 9 and 12.
    .. [4] D. P. Bertsekas, "The auction algorithm", Annals of Operations Research 14, 1988.

    Examples
    --------
    >>> assign([0, 0, 1], [0, 1, 0], [0.9, 0.8, 0.7], 2, [1, 1])
    array([1, 0])
    """
    graph = checked_graph(need, offer, weight, n_needs, capacity, objective=objective)
    matching = solve(graph)
    if not certificate:
        return matching.assignment
    u, p = matching.prices()
    return matching.assignment, in_weight(u), in_weight(p)


def coverage_bonus(weight: ArrayLike, n_needs: int, capacity: ArrayLike) -> float:
    """Return what objective "coverage" adds to every weight, so that count comes before weight.

    The most matches there can be (the smaller of `n_needs` and all places), times the difference between the
    largest and the smallest weight. Let A have more matches than B, at most k. The weight of B is at most |B|
    times the largest weight, that of A at least |A| times the smallest: so B is heavier than A by less than
    |B| ≤ k times the difference. With the bonus, A is the heavier one.
    """
    units = weight_units(weights("weight", weight))
    return _bonus(units, count("n_needs", n_needs), integers("capacity", capacity, low=0)) / UNITS_PER_ONE


def verify(  # noqa: PLR0917 (as assign(), then what it returned)
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
        negative price; an edge worth more than its two prices; complementary slackness (a match worth less
        than its prices, a need without offer whose price is not 0, an offer with free places whose price is
        not 0); a gap between the value of the assignment and that of the prices.

    Notes
    -----
    Weak duality of linear programming: any feasible assignment is worth at most Σ u + Σ capacity · p for any
    u, p ≥ 0 with u[i] + p[j] ≥ weight of each edge. Where both are equal, both are optimal. It knows nothing
    of how assign() works, and computes with exact whole numbers. O(n_edges + n_needs + n_offers).
    """
    graph = checked_graph(need, offer, weight, n_needs, capacity, objective=objective)
    given = integers("assignment", assignment, low=-1, high=graph.n_offers)
    if len(given) != graph.n_needs:
        raise ValueError(f"assignment must have {graph.n_needs} elements, not {len(given)}")
    gain, price = _in_units("u", u, graph.n_needs), _in_units("p", p, graph.n_offers)
    served, worth = given >= 0, graph.worth
    load = np.bincount(given[served], minlength=graph.n_offers)
    chosen = given[graph.need] == graph.offer
    value = least(graph.need[chosen], worth[chosen], graph.n_needs)
    loose = gain + np.append(price, 0)[given] > value
    for fails, what in (
        (served & (value == 0), "assignment: need {} has an offer that it has no edge to"),
        (load > graph.capacity, "assignment: offer {} has more needs than places"),
        (gain[graph.need] + price[graph.offer] < worth, "u, p: edge {} is worth more than its two prices"),
        (served & loose, "complementary slackness: the match of need {} is worth less than its two prices"),
        (~served & (gain > 0), "complementary slackness: need {} has no offer and a price above 0"),
        (
            (load < graph.capacity) & (price > 0),
            "complementary slackness: offer {} has room and a price above 0",
        ),
    ):
        if fails.any():
            raise ValueError(what.format(int(np.argmax(fails))))
    places = zip(graph.capacity.tolist(), price.tolist(), strict=True)
    if sum(gain.tolist()) + sum(each * room for room, each in places) != sum(value.tolist()):
        raise ValueError("gap: the assignment and its prices have different values")


def checked_graph(
    need: ArrayLike, offer: ArrayLike, weight: ArrayLike, n_needs: int, capacity: ArrayLike, *, objective: str
) -> Graph:
    """Return the graph of these arguments of assign(); ValueError naming the one that is bad."""
    require_objective(objective)
    places = integers("capacity", capacity, low=0)
    n_needs = count("n_needs", n_needs)
    needs = integers("need", need, low=0, high=n_needs)
    offers = integers("offer", offer, low=0, high=len(places))
    floats = weights("weight", weight)
    same_length(need=needs, offer=offers, weight=floats)
    units = weight_units(floats)
    least_weight = int(units.min()) if len(units) else 0
    bonus = _bonus(units, n_needs, places) if objective == "coverage" else 0
    units -= least_weight
    return Graph(needs, offers, units, least_weight + bonus, n_needs, places)


def require_objective(objective: str) -> None:
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, not {objective!r}")


def weight_units(weight: FloatArray) -> IntArray:
    """Return weights in whole units of 1e-9, 1 at least."""
    units = weight * UNITS_PER_ONE
    np.maximum(np.rint(units, out=units), 1, out=units)
    return units.astype(np.int64)


def _bonus(units: IntArray, n_needs: int, capacity: IntArray) -> int:
    most = min(n_needs, int(sum(capacity.tolist())))
    return most * int(units.max() - units.min()) if len(units) else 0


def in_weight(units: IntArray) -> FloatArray:
    """Return prices in units of weight: floats, or an array of fractions where floats would not be exact."""
    if int(units.max(initial=0)) > FLOAT_SAFE:
        return np.array([Fraction(int(price), UNITS_PER_ONE) for price in units.tolist()])
    return units.astype(np.float64) / UNITS_PER_ONE


def _in_units(name: str, prices: ArrayLike, n: int) -> IntArray:
    given = np.asarray(prices)
    if given.shape != (n,):
        raise ValueError(f"{name} must be of shape ({n},), not {given.shape}")
    values = given.tolist()
    if not all(isinstance(value, Real) and isfinite(value) for value in values):
        raise ValueError(f"{name} must hold finite numbers")
    units = [round(value * UNITS_PER_ONE) for value in values]
    if min(units, default=0) < 0:
        raise ValueError(f"{name} must be 0 or more, not {min(values)}")
    return np.array(units, np.int64 if max(units, default=0) <= INT64_SAFE else object)
