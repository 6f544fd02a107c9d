"""The edges of the graph: feasible pairs, the best of each need."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from marketplace.matching.arrays import ON_SITE, REMOTE, Edges, Needs, Offers
from marketplace.matching.distance import ecef_km
from marketplace.matching.pairs import broken_rules, facts_of
from marketplace.matching.policy import Policy
from marketplace.matching.scoring import components_of
from marketplace.matching.validation import BoolArray, IntArray, count, integers

# Needs treated at a time: bounds the memory, about 100 MB in a dense city.
BLOCK = 512
# The search by chords keeps a margin for rounding; the rule on the geodesic decides.
MARGIN_KM = 1e-3


def find_candidates(
    needs: Needs,
    offers: Offers,
    policy: Policy,
    *,
    top_k: int = 30,
    excluded: tuple[ArrayLike, ArrayLike] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Edges:
    """Return the feasible pairs, at most `top_k` per need, the best by score.

    Parameters
    ----------
    needs, offers : Needs, Offers
    policy : Policy
    top_k : int
        Edges kept per need; ties at the end go to the smaller offer id.
    excluded : (array of int, array of int), optional
        Rows of needs and of offers, pair by pair: never to be proposed.
    on_progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    Edges
        Sorted by row of the need, then best first. Weights are scores, in (0, 1].

    Raises
    ------
    ValueError
        Naming an index out of range, lengths that differ, or a bad `top_k`.

    Notes
    -----
    A pair is feasible when no rule of pairs.RULES excludes it and the offer has a free place. For each skill a
    k-d tree (Bentley 1975) over the offers near that skill, in Earth-centred coordinates, finds those within the
    need's radius; remote pairs are joined by skill. The same pairs of ids come out whatever the order of rows.
    O(n log n + pairs), in blocks of needs.
    """
    top_k = count("top_k", top_k)
    banned = _banned(excluded, len(needs), len(offers))
    index = _Index(offers, policy)
    found: list[Edges] = []
    for start in range(0, len(needs), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(needs)))
        found.append(_best(needs, offers, policy, *index.pairs(needs, rows), banned, top_k))
        if on_progress:
            on_progress((rows[-1] + 1) / len(needs))
    return _joined(found)


class _Index:
    """Offers by the skills they come near to."""

    def __init__(self, offers: Offers, policy: Policy) -> None:
        self.offers = offers
        matrix = policy.skills.similarity(related=policy.related_skill, same_domain=policy.same_domain)
        # A further skill only lowers a similarity: nothing at or above the floor is missed.
        self.near = matrix >= policy.skill_floor
        self.placed = np.isfinite(offers.lat) & (offers.places & ON_SITE > 0) & (offers.capacity > 0)
        self.remote = (offers.places & REMOTE > 0) & (offers.capacity > 0)
        self.points = np.full((len(offers), 3), np.nan)
        self.points[self.placed] = ecef_km(offers.lat[self.placed], offers.lon[self.placed])
        self.trees: dict[int, tuple[IntArray, cKDTree | None, IntArray]] = {}

    def pairs(self, needs: Needs, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Return pairs that may be feasible, each once, for these needs."""
        keys = [np.empty(0, np.int64)]
        width = len(self.offers)
        for column in range(needs.skills.shape[1]):
            skills = needs.skills[rows, column]
            for skill in np.unique(skills[skills >= 0]):
                asking = rows[skills == skill]
                keys += [i * width + j for i, j in self._of_skill(int(skill), needs, asking)]
        unique = np.unique(np.concatenate(keys))
        return unique // max(width, 1), unique % max(width, 1)

    def _of_skill(self, skill: int, needs: Needs, asking: IntArray) -> list[tuple[IntArray, IntArray]]:
        placed, tree, remote = self._bucket(skill)
        found = []
        on_site = asking[np.isfinite(needs.lat[asking]) & (needs.places[asking] & ON_SITE > 0)]
        if tree is not None and len(on_site):
            points = ecef_km(needs.lat[on_site], needs.lon[on_site])
            near = tree.query_ball_point(points, needs.radius_km[on_site] + MARGIN_KM)
            counts = np.fromiter((len(hits) for hits in near), np.int64, len(near))
            hits = np.fromiter((hit for group in near for hit in group), np.int64, int(counts.sum()))
            found.append((np.repeat(on_site, counts), placed[hits]))
        far = asking[needs.places[asking] & REMOTE > 0]
        found.append((np.repeat(far, len(remote)), np.tile(remote, len(far))))
        return found

    def _bucket(self, skill: int) -> tuple[IntArray, cKDTree | None, IntArray]:
        if skill not in self.trees:
            skills = self.offers.skills
            offers_near = ((skills >= 0) & self.near[skill][skills]).any(axis=1)
            placed = np.flatnonzero(offers_near & self.placed)
            tree = cKDTree(self.points[placed]) if len(placed) else None
            self.trees[skill] = (placed, tree, np.flatnonzero(offers_near & self.remote))
        return self.trees[skill]


def _best(
    needs: Needs,
    offers: Offers,
    policy: Policy,
    need: IntArray,
    offer: IntArray,
    banned: IntArray,
    top_k: int,
) -> Edges:
    open_pairs = ~np.isin(need * max(len(offers), 1) + offer, banned)
    need, offer = need[open_pairs], offer[open_pairs]
    facts = facts_of(needs, need, offers, offer, policy)
    excluded: BoolArray = np.zeros(len(need), np.bool_)
    for broken in broken_rules(needs, need, offers, offer, facts, policy).values():
        excluded |= broken
    score = components_of(needs, need, offers, offer, facts, policy).score
    rows = np.flatnonzero(~excluded & (score > 0))
    rows = rows[np.lexsort((offers.id[offer[rows]], -score[rows], need[rows]))]
    rows = rows[_rank_in_group(need[rows]) < top_k]
    return Edges(need[rows], offer[rows], facts.distance_km[rows], score[rows])


def _rank_in_group(sorted_keys: IntArray) -> IntArray:
    """Return the position of each element among its equals, in a sorted array."""
    starts = np.r_[True, sorted_keys[1:] != sorted_keys[:-1]] if len(sorted_keys) else np.empty(0, np.bool_)
    first = np.flatnonzero(starts)
    return np.arange(len(sorted_keys)) - np.repeat(first, np.diff(np.r_[first, len(sorted_keys)]))


def _banned(excluded: tuple[ArrayLike, ArrayLike] | None, n_needs: int, n_offers: int) -> IntArray:
    if excluded is None:
        return np.empty(0, np.int64)
    need = integers("excluded", excluded[0], low=0, high=n_needs)
    offer = integers("excluded", excluded[1], low=0, high=n_offers)
    if len(need) != len(offer):
        raise ValueError(f"excluded: lengths differ, {len(need)} needs and {len(offer)} offers")
    return np.unique(need * max(n_offers, 1) + offer)


def _joined(found: list[Edges]) -> Edges:
    if not found:
        empty = np.empty(0, np.int64)
        return Edges(empty, empty, np.empty(0), np.empty(0))
    return Edges(
        np.concatenate([e.need for e in found]),
        np.concatenate([e.offer for e in found]),
        np.concatenate([e.distance_km for e in found]),
        np.concatenate([e.weight for e in found]),
    )
