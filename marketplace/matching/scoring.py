"""The score of a pair: a weighted mean of six criteria, each in [0, 1]."""

from dataclasses import dataclass
from math import log

import numpy as np

from marketplace.matching.arrays import Edges, Needs, Offers
from marketplace.matching.pairs import PairFacts, broken_rules, facts_of
from marketplace.matching.policy import WEIGHTS, Policy
from marketplace.matching.sectors import DEPTH
from marketplace.matching.validation import FloatArray, IntArray, integers

CRITERIA = tuple(WEIGHTS)
# Value of the level criterion by levels offered above the wanted one: a near level teaches best, and somebody
# far above may talk over the learner's head (zone of proximal development: Vygotsky 1978).
LEVEL_ABOVE = (1.0, 1.0, 0.9, 0.8)
LEVEL_BELOW = 0.4
# How the criterion of waiting is shared between the time waited and the urgency that the author states.
WAITED, URGENT = 0.8, 0.2
URGENCY_LEVELS = 3
# Powers of ½ by steps of 1/64, as far as any matters; in between the series of e^(−x), highest power first.
STEPS, HALVINGS_MAX = 64, 64
HALVES = np.exp2(-np.arange(STEPS * HALVINGS_MAX + 1) / STEPS)
STEP_LN2 = log(2) / STEPS
POWER_SERIES = (-1 / 120, 1 / 24, -1 / 6, 1 / 2, -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Components:
    """The criteria of n pairs, each (n,) float in [0, 1], and the weighted `score` in (0, 1]."""

    skill: FloatArray
    level: FloatArray
    distance: FloatArray
    sector: FloatArray
    availability: FloatArray
    waiting: FloatArray
    score: FloatArray


def score_edges(needs: Needs, offers: Offers, edges: Edges, policy: Policy) -> Components:
    """Score pairs criterion by criterion.

    Parameters
    ----------
    needs, offers : Needs, Offers
    edges : Edges
        Only `need` and `offer` are read.
    policy : Policy

    Returns
    -------
    Components

    Raises
    ------
    ValueError
        If an index of `edges` is out of range.

    Notes
    -----
    skill: similarity by the graph of skills. level: 1 at the wanted level or one above, less further above,
    0.4 for each level below. distance: 2^(−km / half_distance_km) on site, a constant for a remote
    exchange, the better of the two when both are possible. sector: levels of the NAF tree in common, out of
    5. availability: half-days in common over the half-days of the side that has fewer. waiting: 80 % days
    waited over waiting_full_days (at most 1), 20 % urgency. O(edges).
    """
    need = integers("edges.need", edges.need, low=0, high=len(needs))
    offer = integers("edges.offer", edges.offer, low=0, high=len(offers))
    return components_of(needs, need, offers, offer, facts_of(needs, need, offers, offer, policy), policy)


def components_of(  # noqa: PLR0917 (pairs, what is known of them, and the policy)
    needs: Needs, need: IntArray, offers: Offers, offer: IntArray, facts: PairFacts, policy: Policy
) -> Components:
    """The same from facts already known."""
    columns = {
        "skill": facts.similarity,
        "level": level_values(facts.level_gap),
        "distance": _distance(facts, policy),
        "sector": facts.shared_depth / DEPTH,
        "availability": _availability(needs.availability[need], offers.availability[offer]),
        "waiting": waiting_values(needs.waiting_days[need], needs.urgency[need], policy),
    }
    score = np.zeros(len(need))
    for name in CRITERIA:  # in one order: sums of floats depend on it
        score = score + policy.weights[name] * columns[name]
    return Components(**columns, score=np.minimum(score, 1.0))


def feasible_edges(needs: Needs, need: IntArray, offers: Offers, offer: IntArray, policy: Policy) -> Edges:
    """Return those of the pairs (need[k], offer[k]) that no rule excludes, with their scores."""
    facts = facts_of(needs, need, offers, offer, policy)
    excluded = np.zeros(len(need), np.bool_)
    for broken in broken_rules(needs, need, offers, offer, facts, policy).values():
        excluded |= broken
    score = components_of(needs, need, offers, offer, facts, policy).score
    return Edges(need, offer, facts.distance_km, score).take(np.flatnonzero(~excluded))


def is_remote(facts: PairFacts, policy: Policy) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say which pairs would meet remotely: only possible so, or worth more than the way."""
    return np.asarray(facts.remote & (_near_on_site(facts, policy) < policy.remote_value), np.bool_)


def level_values(gap: IntArray) -> FloatArray:
    """Return the criterion of level; `gap`: offered minus wanted."""
    above = np.asarray(LEVEL_ABOVE)[np.clip(gap, 0, len(LEVEL_ABOVE) - 1)]
    return np.where(gap >= 0, above, LEVEL_BELOW ** np.abs(np.minimum(gap, 0)))


def _distance(facts: PairFacts, policy: Policy) -> FloatArray:
    return np.maximum(_near_on_site(facts, policy), np.where(facts.remote, policy.remote_value, 0.0))


def _near_on_site(facts: PairFacts, policy: Policy) -> FloatArray:
    return np.where(facts.on_site, _nearness(facts.distance_km, policy), 0.0)


def _nearness(distance_km: FloatArray, policy: Policy) -> FloatArray:
    """Return 2^(−km / half_distance_km) to 1e-14; NaN stays.

    Made of exact steps only, so that compiled code finds the same to the last bit (see _best_first.py).
    """
    steps = np.minimum(distance_km / policy.half_distance_km, HALVINGS_MAX) * STEPS
    whole = np.floor(np.nan_to_num(steps))
    rest = (steps - whole) * STEP_LN2
    power = np.full(len(rest), POWER_SERIES[0])
    for coefficient in POWER_SERIES[1:]:
        power = power * rest + coefficient
    return np.asarray(power * HALVES[whole.astype(np.int64)], np.float64)


def _availability(one: IntArray, other: IntArray) -> FloatArray:
    common = np.bitwise_count(one & other)
    fewer = np.minimum(np.bitwise_count(one), np.bitwise_count(other))
    return np.where((one == 0) | (other == 0), 1.0, common / np.maximum(fewer, 1))


def waiting_values(days: FloatArray, urgency: IntArray, policy: Policy) -> FloatArray:
    """Return the criterion of waiting."""
    waited = np.minimum(days / policy.waiting_full_days, 1.0)
    return WAITED * waited + URGENT * (urgency - 1) / (URGENCY_LEVELS - 1)
