"""Who comes first when offers are scarce: those who have waited, and those who have no match yet."""

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching.arrays import Needs
from marketplace.matching.assignment import assign
from marketplace.matching.policy import Policy
from marketplace.matching.validation import FloatArray, IntArray

DAYS_PER_WEEK = 7
# What the first match of a structure in a round is worth besides its score. Scores differ by less, so among
# needs that waited alike a second match never takes the place of a first.
FIRST_MATCH_BONUS = 1.0


def priority(needs: Needs, policy: Policy) -> FloatArray:
    """Return what waiting adds to the worth of each pair of a need in a round; (n,) float, 0 or more.

    Notes
    -----
    `priority_per_week` for each week beyond `patience_weeks`, without limit: so that no need starves. Let
    need i be left alone in a round of pairs where it has a candidate. Each place of its candidates is
    then held by some need j, or the round would not be optimal; and giving the place to i instead would
    not gain: score_j + priority_j ≥ score_i + priority_i. Scores lie in (0, 1], so priority_j >
    priority_i − 1: once the priority of i exceeds 1, j was published less than 1 / priority_per_week
    weeks after i. These needs are a finite set that no newcomer joins, and each holds a place until it is
    served or that pair is declined, which happens once a pair. So i is served after finitely many rounds,
    while it has a candidate. FIRST_MATCH_BONUS adds 1 to the bound for the further needs of a structure
    that was served in the same round. docs/fairness.md has the whole argument, with circles, and what is
    measured.
    """
    weeks = needs.waiting_days / DAYS_PER_WEEK
    return np.asarray(policy.priority_per_week * np.maximum(weeks - policy.patience_weeks, 0.0), np.float64)


def first_bonus(need: IntArray, structure: IntArray) -> float:
    """Return FIRST_MATCH_BONUS where a structure has several needs among those with an edge, else 0."""
    asking = structure[np.unique(need)]
    return FIRST_MATCH_BONUS if len(np.unique(asking)) < len(asking) else 0.0


def assign_fairly(
    need: IntArray,
    offer: IntArray,
    worth: FloatArray,
    structure: IntArray,
    capacity: IntArray,
    *,
    bonus: float = FIRST_MATCH_BONUS,
    served: ArrayLike = (),
    objective: str = "weight",
) -> IntArray:
    """Return the offer of each need, −1 where none: the most worth, in shares.

    Parameters
    ----------
    need, offer, worth : (n_edges,)
        As assign() takes them.
    structure : (n_needs,) int
        Who asks: the organisation of each need.
    capacity : (n_offers,) int
    bonus : float
        What the first match of each structure adds: see first_bonus().
    served : array_like of int
        Structures that have a match of this round already: they gain no bonus.
    objective : {"weight", "coverage"}
        With "coverage" as many needs as possible are served, whoever asks: no shares.

    Notes
    -----
    The largest sum of worth plus `bonus` for each structure with a match. That is a b-matching too: every
    edge gains the bonus, and a structure with m needs gets m − 1 seats (m when it is served already) worth
    the bonus each, where its needs may rest; its second match costs it a seat, so that only the first gains.

    Where a structure has a second match, then, another with an edge to the same place has a match too, or its
    pair is worth less by the bonus. One call of assign(), on at most n_needs more edges.
    """
    if objective == "coverage" or not bonus:
        return assign(need, offer, worth, len(structure), capacity, objective=objective)
    need, offer, worth, places = with_seats(
        need, offer, worth, structure, capacity, bonus=bonus, served=served
    )
    found = assign(need, offer, worth, len(structure), places)
    return np.where(found < len(capacity), found, -1)


def with_seats(
    need: IntArray,
    offer: IntArray,
    worth: FloatArray,
    structure: IntArray,
    capacity: IntArray,
    *,
    bonus: float,
    served: ArrayLike = (),
) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
    """Return the graph that assign_fairly() solves: needs, offers, worth, places; seats follow the offers."""
    if not bonus:
        return need, offer, worth, capacity
    resting, seat, seats = _seats(np.unique(need), structure, np.asarray(served, np.int64))
    return (
        np.concatenate((need, resting)),
        np.concatenate((offer, len(capacity) + seat)),
        np.concatenate((worth + bonus, np.full(len(resting), bonus))),
        np.concatenate((capacity, seats)),
    )


def shared_value(worth: FloatArray, structure: IntArray, *, bonus: float = FIRST_MATCH_BONUS) -> float:
    """Return what assign_fairly() makes largest, for the pairs chosen."""
    return float(worth.sum() + bonus * len(np.unique(structure)))


def _seats(asking: IntArray, structure: IntArray, served: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return who may rest, at which seat, and how many there are of each seat."""
    owners, owner, needs = np.unique(structure[asking], return_inverse=True, return_counts=True)
    seats = needs - 1 + np.isin(owners, served)
    kept = seats > 0
    number = np.cumsum(kept) - 1
    rests = kept[owner]
    return asking[rests], number[owner[rests]], seats[kept]
