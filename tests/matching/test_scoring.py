"""The six criteria and the score of a pair."""

import numpy as np
import pytest
from hypothesis import given, settings

from marketplace.matching import CRITERIA, Edges, find_candidates, score_edges
from tests.matching import small
from tests.matching.random_markets import SECTORS, SKILLS, markets
from tests.matching.small import needs, offers, policy

NORTH_KM = 1 / 111.195  # degrees of latitude in a kilometre, near Rennes


def pairs(need, offer):
    nothing = np.zeros(len(need))
    return Edges(np.asarray(need), np.asarray(offer), nothing, nothing)


def only(asking, offering, using=None):
    """Return the criteria of the one pair of two listings."""
    found = score_edges(asking, offering, pairs([0], [0]), using or policy())
    return {name: float(getattr(found, name)[0]) for name in (*CRITERIA, "score")}


@settings(max_examples=100, deadline=None)
@given(markets())
def test_criteria_lie_in_0_to_1_and_the_score_is_their_weighted_mean(market):
    edges = find_candidates(market.needs, market.offers, market.policy)

    scored = score_edges(market.needs, market.offers, edges, market.policy)

    columns = np.array([getattr(scored, name) for name in CRITERIA])
    assert ((columns >= 0) & (columns <= 1)).all()
    assert ((scored.score > 0) & (scored.score <= 1)).all()
    np.testing.assert_array_equal(scored.score, edges.weight)
    mean = np.array([market.policy.weights[name] for name in CRITERIA]) @ columns
    np.testing.assert_allclose(scored.score, mean, atol=1e-12)


@pytest.mark.parametrize(("km", "value"), [(0, 1.0), (15, 0.5), (30, 0.25)])
def test_a_meeting_is_worth_half_at_half_distance_and_a_quarter_at_twice_that(km, value):
    far = offers(1, lat=small.RENNES[0] + km * NORTH_KM, radius_km=60.0)

    assert only(needs(1, radius_km=60.0), far)["distance"] == pytest.approx(value, abs=1e-3)


def test_a_pair_that_can_also_meet_remotely_takes_what_is_worth_more():
    near, far = offers(1, places=7), offers(1, places=7, lat=small.RENNES[0] + 25 * NORTH_KM)

    assert only(needs(1, places=7), near)["distance"] == 1
    assert only(needs(1, places=7), far)["distance"] == policy().remote_value


@pytest.mark.parametrize(
    ("wanted", "offered", "value"),
    [(2, 2, 1.0), (2, 3, 1.0), (1, 3, 0.9), (1, 4, 0.8), (3, 2, 0.4), (3, 1, 0.16)],
)
def test_a_near_level_teaches_best(wanted, offered, value):
    pair = only(needs(1, level=wanted), offers(1, level=offered))

    assert pair["level"] == pytest.approx(value)


@pytest.mark.parametrize(
    ("wanted", "offered", "value"),
    [
        ([0, -1, -1], [0, -1, -1], 1.0),
        ([0, -1, -1], [1, -1, -1], 0.7),
        ([0, -1, -1], [2, -1, -1], 0.4),
        ([0, -1, -1], [3, -1, -1], 0.0),
        ([0, -1, -1], [3, 0, -1], 0.9),
        ([3, 0, -1], [4, 5, 0], 0.81),
        ([0, 2, -1], [1, 3, -1], 0.7),
    ],
)
def test_the_nearest_of_their_skills_counts_less_where_it_is_not_the_main_one(wanted, offered, value):
    using = policy_of_six_skills()

    pair = only(needs(1, skills=[wanted]), offers(1, skills=[offered]), using)

    assert pair["skill"] == pytest.approx(value)


@pytest.mark.parametrize(
    ("mine", "theirs", "value"), [(4, 4, 1.0), (4, 5, 0.8), (4, 7, 0.6), (4, 0, 0.2), (4, 8, 0.0)]
)
def test_sectors_are_as_near_as_the_tree_says(mine, theirs, value):
    pair = only(needs(1, sector=mine), offers(1, sector=theirs), policy_of_six_skills())

    assert pair["sector"] == pytest.approx(value)


@pytest.mark.parametrize(
    ("mine", "theirs", "value"),
    [(0, 0b11, 1.0), (0b11, 0, 1.0), (0b11, 0b1110, 0.5), (0b1, 0b111, 1.0), (0b1, 0b10, 0.0)],
)
def test_availability_is_the_part_of_the_fewer_half_days_that_both_have(mine, theirs, value):
    pair = only(needs(1, availability=mine), offers(1, availability=theirs))

    assert pair["availability"] == pytest.approx(value)


def test_waiting_and_urgency_raise_the_score_up_to_a_full_wait():
    asking = needs(4, waiting_days=[0, 45, 90, 900], urgency=[1, 1, 3, 3])

    scored = score_edges(asking, offers(1), pairs(range(4), [0] * 4), policy())

    np.testing.assert_allclose(scored.waiting, [0, 0.4, 1, 1])
    assert (np.diff(scored.score[:3]) > 0).all()


@pytest.mark.parametrize(("need", "offer", "name"), [([2], [0], "edges.need"), ([0], [-1], "edges.offer")])
def test_a_row_that_is_not_there_is_refused(need, offer, name):
    with pytest.raises(ValueError, match=name):
        score_edges(needs(2), offers(2), pairs(need, offer), policy())


def policy_of_six_skills():
    return policy(skills=SKILLS, sectors=SECTORS)
