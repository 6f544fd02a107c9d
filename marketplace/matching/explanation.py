"""Why a pair has its score, or which rules exclude it; in numbers, words are the templates' work."""

from dataclasses import dataclass

import numpy as np

from marketplace.matching.arrays import Needs, Offers
from marketplace.matching.pairs import RULES, broken_rules, facts_of
from marketplace.matching.policy import Policy
from marketplace.matching.scoring import CRITERIA, components_of, is_remote


@dataclass(frozen=True, slots=True)
class Part:
    """One criterion: its value and weight in [0, 1], and its share of the score (all shares make 1)."""

    criterion: str
    value: float
    weight: float
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The score of a pair and its parts.

    `distance_km` is NaN without point; `need_skill` and `offer_skill` are the skills that met, as rows of the
    SkillGraph; `excluded_by` names the hard rules that exclude the pair, none when it is feasible.
    """

    score: float
    distance_km: float
    remote: bool
    parts: tuple[Part, ...]
    need_skill: int
    offer_skill: int
    excluded_by: tuple[str, ...]


def explain(needs: Needs, need: int, offers: Offers, offer: int, policy: Policy) -> Explanation:
    """Explain the pair of row `need` of needs and row `offer` of offers.

    Agrees with find_candidates() and score_edges(). Raises IndexError for a row that is not there. O(skills²).
    """
    if not 0 <= need < len(needs) or not 0 <= offer < len(offers):
        raise IndexError(f"no pair ({need}, {offer}) in {len(needs)} needs and {len(offers)} offers")
    i, j = np.array([need]), np.array([offer])
    facts = facts_of(needs, i, offers, j, policy)
    components = components_of(needs, i, offers, j, facts, policy)
    broken = broken_rules(needs, i, offers, j, facts, policy)
    score = float(components.score[0])
    values = {name: float(getattr(components, name)[0]) for name in CRITERIA}
    return Explanation(
        score=score,
        distance_km=float(facts.distance_km[0]),
        remote=bool(is_remote(facts, policy)[0]),
        parts=tuple(
            Part(name, value, policy.weights[name], policy.weights[name] * value / score if score else 0.0)
            for name, value in values.items()
        ),
        need_skill=int(facts.need_skill[0]),
        offer_skill=int(facts.offer_skill[0]),
        excluded_by=tuple(rule for rule in RULES if broken[rule][0]),
    )
