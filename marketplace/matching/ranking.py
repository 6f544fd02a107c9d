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
    """Return the `limit` best of these pairs; equal ones as find_candidates() chooses, then by id of need."""
    turn = Wheel(needs, offers).turn(edges.need, edges.offer)
    return edges.take(np.lexsort((needs.id[edges.need], turn, -edges.weight))[:limit])
