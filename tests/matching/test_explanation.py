"""Why a pair has its score, and which rules exclude it."""

import numpy as np
import pytest
from hypothesis import given, settings

from marketplace.matching import CRITERIA, Edges, explain, explain_pairs, score_edges
from tests.matching.random_markets import SECTORS, markets
from tests.matching.small import needs, offers, policy

FAR_NORTH = 49.5
# Two subclasses of one class.
BAKER, PASTRY_COOK = 4, 5


@settings(max_examples=60, deadline=None)
@given(markets(most=6))
def test_the_parts_make_the_score_and_agree_with_score_edges(market):
    told = market.feasible()
    rows = np.array(list(told), np.int64).reshape(-1, 2)
    nothing = np.zeros(len(rows))

    scored = score_edges(
        market.needs, market.offers, Edges(rows[:, 0], rows[:, 1], nothing, nothing), market.policy
    )

    for k, one in enumerate(told.values()):
        assert one.score == scored.score[k]
        assert [part.value for part in one.parts] == [getattr(scored, name)[k] for name in CRITERIA]
        assert sum(part.weight * part.value for part in one.parts) == pytest.approx(one.score)
        assert sum(part.share for part in one.parts) == pytest.approx(1)


def test_nothing_excludes_a_pair_that_fits():
    told = explain(needs(1), 0, offers(1), 0, policy())

    assert told.excluded_by == ()
    assert not told.remote
    assert told.distance_km == 0


@pytest.mark.parametrize(
    ("asking", "offering", "rules"),
    [
        ({"organisation": 7}, {"organisation": 7}, ("organisation",)),
        ({}, {"skills": [[2, -1, -1]]}, ("skill",)),
        ({"level": 4}, {"level": 2}, ("level",)),
        ({"places": 1}, {"places": 2}, ("places",)),
        ({}, {"lat": FAR_NORTH}, ("radius",)),
        ({"radius_km": 200.0}, {"lat": FAR_NORTH}, ("radius",)),
        ({"avoid_competitors": True, "competitor_radius_km": 5.0}, {}, ("competitor",)),
        ({}, {"avoid_competitors": True, "competitor_radius_km": 5.0}, ("competitor",)),
        ({"level": 4, "places": 1}, {"level": 1, "places": 2}, ("level", "places")),
    ],
)
def test_the_rules_that_exclude_a_pair_are_named(asking, offering, rules):
    told = explain(
        needs(1, sector=BAKER, **asking),
        0,
        offers(1, sector=PASTRY_COOK, **offering),
        0,
        policy(sectors=SECTORS),
    )

    assert told.excluded_by == rules


def test_competitors_are_those_of_one_class_as_near_as_is_said():
    shy = needs(1, sector=BAKER, avoid_competitors=True, competitor_radius_km=10.0, radius_km=200.0)
    others = offers(
        3, sector=[PASTRY_COOK, PASTRY_COOK, 7], lat=[48.1159, FAR_NORTH, 48.1159], radius_km=200.0
    )

    told = explain_pairs(shy, [0, 0, 0], others, [0, 1, 2], policy(sectors=SECTORS))

    assert [one.excluded_by for one in told] == [("competitor",), (), ()]


def test_a_pair_too_far_to_meet_that_can_do_it_remotely_is_remote():
    told = explain(needs(1, places=7), 0, offers(1, places=7, lat=FAR_NORTH), 0, policy())

    assert told.remote
    assert told.excluded_by == ()
    assert told.distance_km == pytest.approx(154, abs=1)


def test_the_skills_that_met_are_told():
    told = explain(needs(1, skills=[[2, 0, -1]]), 0, offers(1, skills=[[1, 0, -1]]), 0, policy())

    assert (told.need_skill, told.offer_skill) == (0, 0)


@pytest.mark.parametrize(("need", "offer"), [(1, 0), (0, 1), (-1, 0), (0, -1)])
def test_a_pair_that_is_not_there_is_an_index_error(need, offer):
    with pytest.raises(IndexError, match="no pair"):
        explain(needs(1), need, offers(1), offer, policy())


@pytest.mark.parametrize(
    ("need", "offer", "name"), [([1], [0], "need"), ([0], [1], "offer"), ([0, 0], [0], "lengths")]
)
def test_many_pairs_are_checked_by_name(need, offer, name):
    with pytest.raises(ValueError, match=name):
        explain_pairs(needs(1), need, offers(1), offer, policy())
