"""Why a pair has its score, or which rules exclude it; in numbers, words are the templates' work."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching.arrays import Needs, Offers
from marketplace.matching.pairs import RULES, broken_rules, facts_of
from marketplace.matching.policy import Policy
from marketplace.matching.scoring import CRITERIA, components_of, is_remote
from marketplace.matching.validation import integers, same_length


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

    Agrees with find_candidates() and score_edges(). Raises IndexError for a row that is not there.
    """
    if not 0 <= need < len(needs) or not 0 <= offer < len(offers):
        raise IndexError(f"no pair ({need}, {offer}) in {len(needs)} needs and {len(offers)} offers")
    (told,) = explain_pairs(needs, [need], offers, [offer], policy)
    return told


def explain_pairs(
    needs: Needs, need: ArrayLike, offers: Offers, offer: ArrayLike, policy: Policy
) -> list[Explanation]:
    """Explain the pairs (need[k], offer[k]), rows of needs and offers: explain() of each, many times faster.

    Raises ValueError naming an index out of range, or lengths that differ. O(pairs · skills²).
    """
    i = integers("need", need, low=0, high=len(needs))
    j = integers("offer", offer, low=0, high=len(offers))
    same_length(need=i, offer=j)
    facts = facts_of(needs, i, offers, j, policy)
    components = components_of(needs, i, offers, j, facts, policy)
    broken = broken_rules(needs, i, offers, j, facts, policy)
    values = np.stack([getattr(components, name) for name in CRITERIA], axis=1).tolist()
    rules = np.stack([broken[rule] for rule in RULES], axis=1).tolist()
    columns = (
        components.score, facts.distance_km, is_remote(facts, policy), facts.need_skill, facts.offer_skill
    )  # fmt: skip
    return [
        Explanation(
            score=score,
            distance_km=distance,
            remote=remote,
            parts=tuple(
                Part(
                    name, value, policy.weights[name], policy.weights[name] * value / score if score else 0.0
                )
                for name, value in zip(CRITERIA, of_pair, strict=True)
            ),
            need_skill=need_skill,
            offer_skill=offer_skill,
            excluded_by=tuple(rule for rule, holds in zip(RULES, excluded, strict=True) if holds),
        )
        for of_pair, excluded, score, distance, remote, need_skill, offer_skill in zip(
            values, rules, *(column.tolist() for column in columns), strict=True
        )
    ]
