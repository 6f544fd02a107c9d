"""What a round would lose by a pair that it did not choose."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from marketplace.matching.arrays import Needs, Offers
from marketplace.matching.assignment import UNITS_PER_ONE, assign
from marketplace.matching.fairness import first_bonus, priority, with_seats
from marketplace.matching.planning import Plan
from marketplace.matching.policy import Policy
from marketplace.matching.validation import FloatArray, IntArray


def losses(plan: Plan, needs: Needs, offers: Offers, policy: Policy) -> FloatArray:
    """Return what the total of a round would lose at least, were each of its pairs chosen.

    Parameters
    ----------
    plan : Plan
        What plan_round() returned for these arguments, with the objective "weight".
    needs, offers, policy
        As given to plan_round().

    Returns
    -------
    (n_edges,) ndarray of float
        For each row of `plan.edges`, in units of worth: score, priority, and the share of a structure's first
        match. 0 for the chosen pairs. Exact for the pairs of a need left alone that has no seat to rest on
        (see fairness.with_seats()); NaN where every place of the offer went to circles, which are held fixed.

    Notes
    -----
    Let p be prices of places and u of needs that prove the optimum (assignment.verify()). A total that holds
    the pair (i, j) is worth u[i] + p[j] − worth[i, j] less than the optimum at least, by weak duality.
    Prices are not unique; here they are the highest (best_prices()), for which the bound is the loss itself
    where need i is left alone: what a place of offer j is worth to all others is what they lose without it
    [1]_, and need i costs nothing.

    One call of assign() and one search of shortest paths on the same edges.

    References
    ----------
    .. [1] H. B. Leonard, "Elicitation of honest preferences for the assignment of individuals to positions",
       J. Political Economy 91, 1983.
    """
    edges = plan.edges
    held = np.array([row for circle in plan.circles for row in circle], np.int64)
    capacity = offers.capacity - np.bincount(edges.offer[held], minlength=len(offers))
    served = np.zeros(len(needs), np.bool_)
    served[edges.need[held]] = True
    left = ~served[edges.need]
    worth = edges.weight + priority(needs, policy)[edges.need]
    need, offer, value, places = with_seats(
        edges.need[left],
        edges.offer[left],
        worth[left],
        needs.organisation,
        capacity,
        bonus=first_bonus(edges.need, needs.organisation),
        served=needs.organisation[served],
    )
    u, p = best_prices(need, offer, value, len(needs), places)
    lost = np.full(len(edges), np.nan)
    n = int(left.sum())
    lost[left] = np.where(places[offer[:n]] > 0, u[need[:n]] + p[offer[:n]] - value[:n], np.nan)
    lost[held] = 0.0
    return np.asarray(np.maximum(lost, 0.0), np.float64)


def best_prices(
    need: IntArray, offer: IntArray, worth: FloatArray, n_needs: int, capacity: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return prices of needs and of offers that prove the optimum of assign(), those of offers the highest.

    The optimal prices of offers form a lattice [1]_: one of them is the highest for all. From any
    optimal prices, a full offer may ask more until one of its needs gains nothing any more, or gains as much
    elsewhere: shortest paths on reduced costs (Dijkstra), from the offers with room, whose price is 0.

    .. [1] L. S. Shapley, M. Shubik, "The assignment game I: the core", Int. J. Game Theory 1, 1971.
    """
    found, u, p = assign(need, offer, worth, n_needs, capacity, certificate=True)
    gain, price, value = _units(u), _units(p), np.maximum(_units(worth), 1)
    rise = _rises(need, offer, value, gain, price, capacity, found)
    price = price + rise
    best = np.zeros(n_needs, np.int64)
    usable = capacity[offer] > 0
    np.maximum.at(best, need[usable], (value - price[offer])[usable])
    return best / UNITS_PER_ONE, price / UNITS_PER_ONE


def _rises(  # noqa: PLR0917 (a graph and its prices)
    need: IntArray,
    offer: IntArray,
    value: IntArray,
    gain: IntArray,
    price: IntArray,
    capacity: IntArray,
    found: IntArray,
) -> IntArray:
    """Return by how much the price of each offer may rise, all at once."""
    n = len(capacity)
    matched = np.flatnonzero(found >= 0)
    load = np.bincount(found[matched], minlength=n)
    full = (load == capacity) & (load > 0)
    loose = np.flatnonzero(~full & (capacity > 0))
    cap = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(cap, found[matched], gain[matched])
    # Arcs from an offer to one that is full: a need of the latter gains as much at the former.
    kept = (found[need] >= 0) & (capacity[offer] > 0)
    kept[kept] = full[found[need[kept]]] & (found[need[kept]] != offer[kept])
    source = np.concatenate((np.full(len(loose), n), np.full(int(full.sum()), n), offer[kept]))
    target = np.concatenate((loose, np.flatnonzero(full), found[need[kept]]))
    slack = (gain[need] + price[offer] - value)[kept]
    length = np.concatenate((np.zeros(len(loose), np.int64), cap[full], slack))
    shortest = _shortest(source, target, length, n)
    return np.where(full, shortest, 0)


def _shortest(source: IntArray, target: IntArray, length: IntArray, start: int) -> IntArray:
    """Return the lengths of the shortest paths from `start`, the last vertex, to all before it."""
    order = np.lexsort((length, target, source))
    source, target, length = source[order], target[order], length[order]
    first = np.ones(len(source), np.bool_)  # of parallel arcs the shortest
    first[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    graph = csr_array(
        (length[first].astype(np.float64), (source[first], target[first])), (start + 1, start + 1)
    )
    reached = dijkstra(graph, indices=start)[:start]
    return np.where(np.isfinite(reached), reached, 0).astype(np.int64)


def _units(numbers: FloatArray) -> IntArray:
    return np.rint(np.asarray(numbers, np.float64) * UNITS_PER_ONE).astype(np.int64)
