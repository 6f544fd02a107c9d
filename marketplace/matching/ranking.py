"""The best of a few pairs, there and then."""

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching.arrays import Edges, Needs, Offers
from marketplace.matching.policy import Policy
from marketplace.matching.scoring import feasible_edges
from marketplace.matching.ties import Wheel
from marketplace.matching.validation import integers, same_length


def feasible(needs: Needs, need: ArrayLike, offers: Offers, offer: ArrayLike, policy: Policy) -> Edges:
    """Return those of the pairs (need[k], offer[k]) that may be proposed, with their scores, in their order.

    Parameters
    ----------
    need, offer : (n,) array_like of int
        Rows of needs and of offers.

    Returns
    -------
    Edges
        The pairs that find_candidates() would find among these: no rule of pairs.RULES excludes them, the
        offer has a free place, and they score above 0.

    Raises
    ------
    ValueError
        Naming an index out of range, or lengths that differ.

    Notes
    -----
    O(n · skills²).
    """
    i = integers("need", need, low=0, high=len(needs))
    j = integers("offer", offer, low=0, high=len(offers))
    same_length(need=i, offer=j)
    free = offers.capacity[j] > 0
    return feasible_edges(needs, i[free], offers, j[free], policy)


def best_first(edges: Edges, needs: Needs, offers: Offers, *, limit: int) -> Edges:
    """Return the `limit` best of these pairs, which share their need or their offer.

    Equal ones come as find_candidates() chooses, or by id of need where they share their offer. O(n), and
    m log m for the m pairs that score as the last of the best does, or more.
    """
    if 0 < limit < len(edges):
        least = np.partition(edges.weight, len(edges) - limit)[len(edges) - limit]
        edges = edges.take(edges.weight >= least)
    # A part of the wheel keeps its order.
    need, need_row = np.unique(edges.need, return_inverse=True)
    offer, offer_row = np.unique(edges.offer, return_inverse=True)
    turn = Wheel(needs.take(need), offers.take(offer)).turn(need_row, offer_row)
    return edges.take(np.lexsort((needs.id[edges.need], turn, -edges.weight))[:limit])
