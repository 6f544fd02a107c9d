"""What a round would lose by a pair that it did not choose."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from marketplace.matching.arrays import Needs, Offers
from marketplace.matching.assignment import UNITS_PER_ONE, assign
from marketplace.matching.fairness import first_bonus, priority, with_seats
from marketplace.matching.planning import Plan
from marketplace.matching.policy import Policy
from marketplace.matching.validation import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Prices:
    """What places were worth in a round, in units of score.

    `offer`: what one place less would have cost the total; NaN where circles took every place. `need`: what
    its match brought it, less what its wait and its structure's share added to its pairs; NaN in a circle. A
    total that holds the pair (i, j) is worth need[i] + offer[j] − score[i, j] less than the round's at least.
    """

    need: FloatArray
    offer: FloatArray


def prices(plan: Plan, needs: Needs, offers: Offers, policy: Policy) -> Prices:
    """Return the prices of a round, of needs (n_needs,) and of offers (n_offers,).

    Parameters
    ----------
    plan : Plan
        What plan_round() returned for these arguments, with the objective "weight".
    needs, offers, policy
        As given to plan_round().

    Notes
    -----
    Prices of places p and of needs u that prove the optimum (assignment.verify()) bound the loss by a pair,
    by weak duality. They are not unique; these are the highest of places (best_prices()), for which the bound
    is the loss itself where a need is left alone and has no seat to rest on (fairness.with_seats()): what a
    place is worth to all others is what they lose without it [1]_, and the need costs nothing. Circles are
    held fixed.

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
    gained = priority(needs, policy)
    bonus = first_bonus(edges.need, needs.organisation)
    need, offer, value, places = with_seats(
        edges.need[left],
        edges.offer[left],
        edges.weight[left] + gained[edges.need[left]],
        needs.organisation,
        capacity,
        bonus=bonus,
        served=needs.organisation[served],
    )
    u, p = best_prices(need, offer, value, len(needs), places)
    return Prices(
        need=np.where(served, np.nan, u - gained - bonus),
        offer=np.where(capacity > 0, p[: len(offers)], np.nan),
    )


def losses(plan: Plan, found: Prices) -> FloatArray:
    """Return what the total of a round would lose at least, were each of its pairs chosen.

    `found`: prices() of the plan. (n_edges,), for each row of `plan.edges`; 0 for the chosen pairs, NaN where
    the need, or every place of the offer, is in circles.
    """
    edges = plan.edges
    lost = np.maximum(found.need[edges.need] + found.offer[edges.offer] - edges.weight, 0.0)
    lost[plan.matched] = 0.0
    return np.asarray(lost, np.float64)


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
