"""Facts and hard rules of pairs, for many pairs at a time. Candidates, scores and explanations share them."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from marketplace.matching.arrays import ON_SITE, REMOTE, Needs, Offers
from marketplace.matching.distance import between_km
from marketplace.matching.policy import Policy
from marketplace.matching.sectors import CLASS_DEPTH
from marketplace.matching.validation import BoolArray, FloatArray, IntArray

RULES = ("organisation", "skill", "level", "places", "radius", "competitor")


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What rules and criteria ask of n pairs.

    Attributes
    ----------
    similarity : (n,) float
        Best similarity over the skills of the two listings.
    need_skill, offer_skill : (n,) int
        The skills that reach it.
    level_gap : (n,) int
        Level offered minus level wanted.
    distance_km : (n,) float
        Geodesic; NaN without point.
    on_site, remote : (n,) bool
        Whether an exchange on site within both radii is possible, and a remote one.
    shared_depth : (n,) int
        Levels of the sector tree in common.
    common_places : (n,) int
        Bits of the places in common.
    """

    similarity: FloatArray
    need_skill: IntArray
    offer_skill: IntArray
    level_gap: IntArray
    distance_km: FloatArray
    on_site: BoolArray
    remote: BoolArray
    shared_depth: IntArray
    common_places: IntArray


def facts_of(needs: Needs, need: IntArray, offers: Offers, offer: IntArray, policy: Policy) -> PairFacts:
    """Return the facts of the pairs (need[k], offer[k]), rows of needs and offers. O(pairs · skills²)."""
    similarity, need_skill, offer_skill = _similarity(needs.skills[need], offers.skills[offer], policy)
    distance = between_km(needs.point[need], offers.point[offer])
    common = needs.places[need] & offers.places[offer]
    reach = np.minimum(needs.radius_km[need], offers.radius_km[offer])
    return PairFacts(
        similarity=similarity,
        need_skill=need_skill,
        offer_skill=offer_skill,
        level_gap=offers.level[offer] - needs.level[need],
        distance_km=distance,
        on_site=(common & ON_SITE > 0) & (distance <= reach),  # NaN is never within reach
        remote=common & REMOTE > 0,
        shared_depth=policy.sectors.shared_depth(needs.sector[need], offers.sector[offer]),
        common_places=common,
    )


def broken_rules(  # noqa: PLR0917 (pairs, what is known of them, and the policy)
    needs: Needs, need: IntArray, offers: Offers, offer: IntArray, facts: PairFacts, policy: Policy
) -> dict[str, BoolArray]:
    """Return for each hard rule which pairs it excludes."""
    refusal = np.maximum(refusal_km(needs)[need], refusal_km(offers)[offer])
    return {
        "organisation": needs.organisation[need] == offers.organisation[offer],
        "skill": facts.similarity < policy.skill_floor,
        "level": facts.level_gap < -policy.level_gap,
        "places": facts.common_places == 0,
        "radius": (facts.common_places > 0) & ~facts.on_site & ~facts.remote,
        # Competitors: the same class of the tree (NAF class), as near as the one who refuses them says.
        "competitor": (facts.shared_depth >= CLASS_DEPTH) & (facts.distance_km <= refusal),
    }


def refusal_km(listings: Needs | Offers) -> FloatArray:
    """Return how near competitors are refused; −1 where they are welcome."""
    return np.where(listings.avoid_competitors, listings.competitor_radius_km, -1.0)


def _similarity(wanted: IntArray, offered: IntArray, policy: Policy) -> tuple[FloatArray, IntArray, IntArray]:
    """Return the best similarity of each pair and the skills that reach it, the first of equals."""
    matrix = policy.similarity()
    need_skill, offer_skill = wanted[:, 0].copy(), offered[:, 0].copy()
    best = matrix[need_skill, offer_skill]
    used = [np.flatnonzero((skills >= 0).any(axis=0)).tolist() for skills in (wanted, offered)]
    for a, b in product(*used):
        if a == b == 0:
            continue
        rows = np.flatnonzero((wanted[:, a] >= 0) & (offered[:, b] >= 0))
        value = matrix[wanted[rows, a], offered[rows, b]]
        value = value if a == 0 else value * policy.extra_skill_factor
        value = value if b == 0 else value * policy.extra_skill_factor
        better = value > best[rows]
        rows = rows[better]
        best[rows] = value[better]
        need_skill[rows], offer_skill[rows] = wanted[rows, a], offered[rows, b]
    return best, need_skill, offer_skill
