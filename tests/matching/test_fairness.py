"""When offers are scarce: nobody starves, and nobody takes a second place that another has none of."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketplace.matching import assign, plan_round
from marketplace.matching.fairness import (
    FIRST_MATCH_BONUS,
    assign_fairly,
    first_bonus,
    priority,
    shared_value,
)
from tests.matching.small import needs, offers, policy


@st.composite
def scarce_markets(draw):
    """Edges with scores and waits, several needs of one structure, few places."""
    n_needs, n_offers = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    pairs = draw(st.sets(st.tuples(st.integers(0, n_needs - 1), st.integers(0, n_offers - 1)), min_size=1))
    need, offer = np.array(sorted(pairs)).T
    score = draw(st.lists(st.floats(0.3, 1.0), min_size=len(need), max_size=len(need)))
    waited = np.array(
        draw(st.lists(st.sampled_from([0.0, 0.4, 1.5, 3.0]), min_size=n_needs, max_size=n_needs))
    )
    structure = np.array(draw(st.lists(st.integers(0, 3), min_size=n_needs, max_size=n_needs)))
    capacity = np.array(draw(st.lists(st.integers(0, 2), min_size=n_offers, max_size=n_offers)))
    return need, offer, np.round(score, 6) + waited[need], structure, capacity


def test_priority_starts_after_the_patience_and_grows_with_each_week():
    waiting = needs(4, waiting_days=[0, 21, 28, 56])

    np.testing.assert_allclose(
        priority(waiting, policy(patience_weeks=3, priority_per_week=0.1)), [0, 0, 0.1, 0.5], atol=1e-12
    )


@given(scarce_markets())
def test_shares_never_exceed_a_capacity_and_leave_no_usable_place(market):
    need, offer, worth, structure, capacity = market

    found = assign_fairly(need, offer, worth, structure, capacity)

    taken = np.bincount(found[found >= 0], minlength=len(capacity))
    assert (taken <= capacity).all()
    assert np.isin(np.flatnonzero(found >= 0), need[found[need] == offer]).all()
    alone = found[need] < 0
    assert (taken[offer[alone]] == capacity[offer[alone]]).all()


@given(scarce_markets())
def test_a_second_match_takes_no_place_that_a_structure_without_one_could_use(market):
    need, offer, worth, structure, capacity = market
    pair = {(i, j): w for i, j, w in zip(need.tolist(), offer.tolist(), worth.tolist(), strict=True)}

    found = assign_fairly(need, offer, worth, structure, capacity)

    served = structure[found >= 0].tolist()
    for (i, j), w in pair.items():
        if structure[i] in served:
            continue
        for k in np.flatnonzero(found == j).tolist():
            if served.count(structure[k]) > 1:
                assert pair[k, j] >= w + FIRST_MATCH_BONUS - 1e-6


@given(scarce_markets())
def test_a_need_left_alone_lost_each_place_to_one_that_waited_as_long_but_for_the_score(market):
    need, offer, worth, structure, capacity = market
    pair = {(i, j): w for i, j, w in zip(need.tolist(), offer.tolist(), worth.tolist(), strict=True)}

    found = assign_fairly(need, offer, worth, structure, capacity)

    served = set(structure[found >= 0].tolist())
    for (i, j), w in pair.items():
        if found[i] < 0:
            margin = FIRST_MATCH_BONUS if structure[i] in served else 0.0
            assert all(pair[k, j] >= w - margin - 1e-6 for k in np.flatnonzero(found == j).tolist())


@given(scarce_markets())
def test_structures_with_one_need_each_get_the_maximum_weight(market):
    need, offer, worth, structure, capacity = market
    single = np.arange(len(structure))

    bonus = first_bonus(need, single)

    assert bonus == 0
    np.testing.assert_array_equal(
        assign_fairly(need, offer, worth, single, capacity, bonus=bonus),
        assign(need, offer, worth, len(structure), capacity),
    )


@given(scarce_markets())
def test_shares_serve_as_many_structures_as_can_be(market):
    need, offer, _, structure, capacity = market
    flat = np.full(len(need), 1e-3)

    found = assign_fairly(need, offer, flat, structure, capacity)

    most = assign(structure[need], offer, flat, structure.max() + 1, capacity, objective="coverage")
    assert len(np.unique(structure[found >= 0])) == (most >= 0).sum()


def test_shares_count_only_where_a_structure_asks_twice():
    assert first_bonus(np.array([0, 0, 1]), np.array([7, 8])) == 0
    assert first_bonus(np.array([0, 1]), np.array([7, 7])) == FIRST_MATCH_BONUS
    assert first_bonus(np.array([0, 0]), np.array([7, 7])) == 0  # the other has no candidate


@given(scarce_markets())
def test_no_plain_optimum_is_worth_more_in_shares(market):
    need, offer, worth, structure, capacity = market

    def value_of(found):
        rows = np.flatnonzero(found[need] == offer)
        return shared_value(worth[rows], structure[need[rows]])

    fair = value_of(assign_fairly(need, offer, worth, structure, capacity))
    assert fair >= value_of(assign(need, offer, worth, len(structure), capacity)) - 1e-6


def test_a_structure_gets_further_matches_where_nobody_else_asks():
    need, offer = np.array([0, 1, 2]), np.array([0, 0, 0])

    found = assign_fairly(need, offer, np.array([0.9, 0.8, 0.7]), np.array([7, 7, 7]), np.array([2]))

    assert found.tolist() == [0, 0, -1]


def test_a_structure_served_before_comes_after_those_without_a_match():
    need, offer = np.array([0, 1]), np.array([0, 0])
    worth, structure, capacity = np.array([0.9, 0.5]), np.array([7, 8]), np.array([1])

    assert assign_fairly(need, offer, worth, structure, capacity).tolist() == [0, -1]
    assert assign_fairly(need, offer, worth, structure, capacity, served=[7]).tolist() == [-1, 0]


def test_coverage_serves_as_many_needs_as_possible_whoever_asks():
    need, offer = np.array([0, 0, 1, 2]), np.array([0, 1, 0, 1])
    worth, structure, capacity = np.array([0.9, 0.9, 0.4, 0.4]), np.array([7, 8, 8]), np.array([1, 1])

    found = assign_fairly(need, offer, worth, structure, capacity, objective="coverage")

    assert (found >= 0).sum() == 2


def test_in_a_round_each_structure_gets_one_of_two_places():
    asking = needs(3, organisation=[1, 1, 2], level=[2, 2, 4])  # the third fits worse

    plan = plan_round(asking, offers(2), policy())

    assert sorted(plan.edges.need[plan.matched].tolist()) in ([0, 2], [1, 2])


def test_in_a_round_the_need_that_waited_longest_gets_the_only_place():
    asking = needs(2, waiting_days=[0, 84], level=[2, 4])  # the second fits worse

    plan = plan_round(asking, offers(1), policy())

    assert plan.edges.need[plan.matched].tolist() == [1]


def test_a_circle_takes_no_place_from_a_need_past_its_patience():
    # Structures 1 and 2 could help each other; the need of 3 has waited and only 2 can help it.
    asking = needs(
        3, organisation=[1, 2, 3], skills=[[0, -1, -1], [2, -1, -1], [0, -1, -1]], waiting_days=[0, 0, 60]
    )
    helping = offers(2, organisation=[2, 1], skills=[[0, -1, -1], [2, -1, -1]])

    plan = plan_round(asking, helping, policy())

    assert plan.circles == []
    assert plan.edges.need[plan.matched].tolist() == [1, 2]


def test_without_anybody_waiting_the_same_structures_form_their_circle():
    asking = needs(3, organisation=[1, 2, 3], skills=[[0, -1, -1], [2, -1, -1], [0, -1, -1]])
    helping = offers(2, organisation=[2, 1], skills=[[0, -1, -1], [2, -1, -1]])

    plan = plan_round(asking, helping, policy())

    assert len(plan.circles) == 1
    assert plan.edges.need[plan.matched].tolist() == [0, 1]
