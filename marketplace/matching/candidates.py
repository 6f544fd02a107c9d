"""The edges of the graph: feasible pairs, the best of each need."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching.arrays import Edges, Needs, Offers
from marketplace.matching.policy import Policy
from marketplace.matching.reach import Reach
from marketplace.matching.validation import IntArray, count, integers
from marketplace.matching.workers import mapped, processors

# Fewer needs are done before numba would be loaded.
COMPILE_FROM_NEEDS = 2_000


class Search(Protocol):
    """What finds the best edges of needs; `blocks`: rows to treat at a time; `workers` blocks at once."""

    workers: int
    blocks: Sequence[IntArray]

    def best(self, rows: IntArray) -> Edges: ...


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
    banned = banned_pairs(excluded, len(needs), len(offers))
    require_reference(needs, offers, policy)
    search = _search(needs, offers, policy, banned, top_k)
    found: list[Edges] = []
    done = 0
    for rows, edges in zip(search.blocks, mapped(search.best, search.blocks, search.workers), strict=True):
        found.append(edges)
        done += len(rows)
        if on_progress:
            on_progress(done / len(needs))
    return by_need(found)


def _search(needs: Needs, offers: Offers, policy: Policy, banned: IntArray, top_k: int) -> Search:
    if len(needs) >= COMPILE_FROM_NEEDS:
        try:
            from marketplace.matching.offer_index import OfferIndex  # noqa: PLC0415 (loads numba)
        except ImportError:
            pass
        else:
            return OfferIndex(needs, offers, policy, banned=banned, top_k=top_k, workers=processors())
    return Reach(needs, offers, policy, banned=banned, top_k=top_k)


def require_reference(needs: Needs, offers: Offers, policy: Policy) -> None:
    """Raise ValueError for a skill or a sector that the policy does not know."""
    for side, listings in (("needs", needs), ("offers", offers)):
        integers(f"{side}.skills", listings.skills.ravel(), high=len(policy.skills))
        integers(f"{side}.sector", listings.sector, low=0, high=len(policy.sectors))


def banned_pairs(excluded: tuple[ArrayLike, ArrayLike] | None, n_needs: int, n_offers: int) -> IntArray:
    """Return the excluded pairs as need × n_offers + offer, sorted; ValueError for a bad row."""
    if excluded is None:
        return np.empty(0, np.int64)
    need = integers("excluded", excluded[0], low=0, high=n_needs)
    offer = integers("excluded", excluded[1], low=0, high=n_offers)
    if len(need) != len(offer):
        raise ValueError(f"excluded: lengths differ, {len(need)} needs and {len(offer)} offers")
    return np.unique(need * max(n_offers, 1) + offer)


def by_need(blocks: list[Edges]) -> Edges:
    """Return the edges of all blocks by row of the need, best first. Column by column, to spare memory."""
    if not blocks:
        return Edges(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
    order = np.argsort(np.concatenate([edges.need for edges in blocks]), kind="stable")
    return Edges(
        need=np.concatenate([edges.need for edges in blocks])[order],
        offer=np.concatenate([edges.offer for edges in blocks])[order],
        distance_km=np.concatenate([edges.distance_km for edges in blocks])[order],
        weight=np.concatenate([edges.weight for edges in blocks])[order],
    )
