"""The edges of the graph: feasible pairs, the best of each need."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching.arrays import Edges, Needs, Offers
from marketplace.matching.pairs import broken_rules, facts_of
from marketplace.matching.policy import Policy
from marketplace.matching.reach import Reach
from marketplace.matching.scoring import components_of
from marketplace.matching.ties import Wheel
from marketplace.matching.validation import BoolArray, IntArray, count, integers

# Needs treated at a time: bounds the memory, about 100 MB in a dense city.
BLOCK = 512


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
        Edges kept per need. Among equal scores each need prefers offers in an order of its own, which their
        ids give, so that needs of one place do not all crowd on the same few.
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
    A pair is feasible when no rule of pairs.RULES excludes it and the offer has a free place. For each need
    the offers near its skills are searched best first, by a tree of bounds (see OfferIndex), until no offer
    left may be among the best: far fewer than all in reach, where these are many. What comes out is then
    judged and ranked by the rules and scores that everybody uses.

    The same pairs of ids come out whatever the order of rows, and with or without numba, which is used for
    many needs, on all processors. O(n log n) to prepare; per need about O(top_k · log n), more where many
    offers score alike.
    """
    top_k = count("top_k", top_k)
    banned = _banned(excluded, len(needs), len(offers))
    _require_reference(needs, offers, policy)
    search, wheel = Reach(needs, offers, policy), Wheel(needs, offers)
    found: list[Edges] = []
    for start in range(0, len(needs), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(needs)))
        need, offer = _open(*search.pairs(rows), banned, len(offers))
        found.append(_best(_judged(needs, need, offers, offer, policy), wheel, top_k))
        if on_progress:
            on_progress((rows[-1] + 1) / len(needs))
    return _joined(found)


def _open(need: IntArray, offer: IntArray, banned: IntArray, n_offers: int) -> tuple[IntArray, IntArray]:
    kept = ~np.isin(need * max(n_offers, 1) + offer, banned)
    return need[kept], offer[kept]


def _judged(needs: Needs, need: IntArray, offers: Offers, offer: IntArray, policy: Policy) -> Edges:
    """Return the feasible ones of these pairs."""
    facts = facts_of(needs, need, offers, offer, policy)
    excluded: BoolArray = np.zeros(len(need), np.bool_)
    for broken in broken_rules(needs, need, offers, offer, facts, policy).values():
        excluded |= broken
    score = components_of(needs, need, offers, offer, facts, policy).score
    return Edges(need, offer, facts.distance_km, score).take(~excluded & (score > 0))


def _best(edges: Edges, wheel: Wheel, top_k: int) -> Edges:
    """Return the best of each need, sorted by need, best first."""
    edges = edges.take(np.lexsort((wheel.turn(edges.need, edges.offer), -edges.weight, edges.need)))
    first = np.searchsorted(edges.need, edges.need)
    return edges.take(np.arange(len(edges)) - first < top_k)


def _require_reference(needs: Needs, offers: Offers, policy: Policy) -> None:
    for side, listings in (("needs", needs), ("offers", offers)):
        integers(f"{side}.skills", listings.skills.ravel(), high=len(policy.skills))
        integers(f"{side}.sector", listings.sector, low=0, high=len(policy.sectors))


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
