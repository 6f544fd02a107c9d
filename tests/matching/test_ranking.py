"""The best of a few pairs: as all of them sorted by score, then by the wheel of ties, then by id of need."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.matching import best_first, find_candidates
from marketplace.matching.ties import Wheel
from tests.matching.random_markets import markets

examples = settings(max_examples=100, deadline=None)


@examples
@given(market=markets(), limit=st.integers(0, 20), side=st.sampled_from(["need", "offer"]), few=st.booleans())
def test_the_best_are_the_first_of_all_in_order(market, limit, side, few):
    edges = find_candidates(market.needs, market.offers, market.policy)
    edges = edges.take(getattr(edges, side) == 0)
    if few:  # many equal scores
        edges.weight[:] = np.ceil(edges.weight * 2) / 2
    # As the market of one question: all of one side, or one offer.
    offers = market.offers if side == "need" else market.offers.take(np.arange(len(market.offers)) == 0)
    turn = Wheel(market.needs, offers).turn(edges.need, edges.offer)
    order = np.lexsort((market.needs.id[edges.need], turn, -edges.weight))[:limit]

    best = best_first(edges, market.needs, offers, limit=limit)

    assert best.need.tolist() == edges.need[order].tolist()
    assert best.offer.tolist() == edges.offer[order].tolist()
