"""What a round would lose by another pair: as much as it does lose when that pair is forced."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.matching import assign, plan_round, verify
from marketplace.matching.losses import best_prices, losses, prices
from tests.matching import small
from tests.matching.small import RENNES


@st.composite
def graphs(draw):
    """Small graphs with many ties, scarce offers, and offers without a place."""
    n_needs, n_offers = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    pairs = [(i, j) for i in range(n_needs) for j in range(n_offers)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=len(pairs)))
    worth = draw(st.lists(st.integers(1, 6), min_size=len(chosen), max_size=len(chosen)))
    capacity = draw(st.lists(st.integers(0, 2), min_size=n_offers, max_size=n_offers))
    need, offer = (
        np.array(column, np.int64) for column in (zip(*chosen, strict=True) if chosen else ((), ()))
    )
    return need, offer, np.array(worth, np.float64) / 4, n_needs, np.array(capacity, np.int64)


def total(need, offer, worth, n_needs, capacity) -> float:
    found = assign(need, offer, worth, n_needs, capacity)
    return float(worth[found[need] == offer].sum())


def forced(need, offer, worth, n_needs, capacity, row) -> float:
    """Return the best total that holds this pair."""
    less = capacity.copy()
    less[offer[row]] -= 1
    kept = need != need[row]
    return float(worth[row]) + total(need[kept], offer[kept], worth[kept], n_needs, less)


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_the_best_prices_prove_the_optimum_and_none_are_higher(graph):
    need, offer, worth, n_needs, capacity = graph
    found = assign(*graph)
    u, p = best_prices(*graph)
    open_ = capacity[offer] > 0

    verify(need[open_], offer[open_], worth[open_], n_needs, capacity, found, u, p)
    for j in np.flatnonzero(capacity):
        fewer = capacity.copy()
        fewer[j] -= 1
        assert p[j] == pytest.approx(total(*graph) - total(need, offer, worth, n_needs, fewer))


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_a_need_left_alone_would_cost_just_what_its_prices_say(graph):
    need, offer, worth, _, capacity = graph
    found, (u, p) = assign(*graph), best_prices(*graph)
    lost = u[need] + p[offer] - worth

    for row in np.flatnonzero(capacity[offer] > 0):
        loss = total(*graph) - forced(*graph, row)
        assert lost[row] <= loss + 1e-6
        if found[need[row]] < 0:
            assert lost[row] == pytest.approx(loss)


def test_the_farther_of_two_needs_loses_the_only_place_by_the_difference_of_scores():
    needs = small.needs(2, lat=[RENNES[0], RENNES[0] + 0.1])
    offers = small.offers(1)
    plan = plan_round(needs, offers, small.policy())

    near, far = losses(plan, prices(plan, needs, offers, small.policy()))

    assert near == 0
    assert far == pytest.approx(plan.edges.weight[0] - plan.edges.weight[1])


def test_a_second_need_of_a_structure_may_take_the_turn_of_its_first_at_no_loss():
    needs = small.needs(3, organisation=[7, 7, 8], lat=[RENNES[0], RENNES[0], RENNES[0] + 0.05])
    offers = small.offers(2)
    plan = plan_round(needs, offers, small.policy())
    (alone,) = set(range(3)) - set(plan.edges.need[plan.matched].tolist())

    lost = losses(plan, prices(plan, needs, offers, small.policy()))

    assert needs.organisation[alone] == 7
    assert lost[plan.edges.need == alone] == pytest.approx(0)


def test_a_place_that_a_circle_holds_has_no_price():
    both = {"organisation": [1, 2], "skills": [[0, -1, -1], [1, -1, -1]]}
    needs = small.needs(3, organisation=[1, 2, 3], skills=[[0, -1, -1], [1, -1, -1], [0, -1, -1]])
    offers = small.offers(2, organisation=[2, 1], skills=both["skills"])
    plan = plan_round(needs, offers, small.policy(skill_floor=1.0))
    lost = losses(plan, prices(plan, needs, offers, small.policy(skill_floor=1.0)))

    assert len(plan.circles) == 1
    assert np.isnan(lost[plan.edges.need == 2]).all()


def test_without_pairs_there_is_nothing_to_lose():
    needs, offers = small.needs(2), small.offers(0)

    plan = plan_round(needs, offers, small.policy())

    assert len(losses(plan, prices(plan, needs, offers, small.policy()))) == 0


def test_the_pair_of_a_need_that_got_another_offer_costs_what_it_gained_and_what_the_place_is_worth():
    """Two needs, two offers: crossed, both go farther."""
    needs = small.needs(2, lat=[RENNES[0], RENNES[0] + 0.1])
    offers = small.offers(2, lat=[RENNES[0], RENNES[0] + 0.1])
    plan = plan_round(needs, offers, small.policy())
    edges = plan.edges
    crossed = edges.need != edges.offer

    lost = losses(plan, prices(plan, needs, offers, small.policy()))

    assert edges.need[plan.matched].tolist() == edges.offer[plan.matched].tolist()
    swap = edges.weight[~crossed].sum() - edges.weight[crossed].sum()
    assert (lost[crossed] > 0).all()
    assert (lost[crossed] <= swap + 1e-9).all()
