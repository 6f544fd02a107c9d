"""Months of rounds: the same luck for each rule, no rule of the market broken, and nobody starves."""

import numpy as np
import pytest

from marketplace.matching import find_candidates
from marketplace.matching.arrays import Edges
from marketplace.matching.simulation import (
    RULES,
    Behaviour,
    Population,
    by_arrival,
    by_plan,
    by_score_alone,
    seconds_over_firsts,
    simulate,
)
from tests.matching.small import needs, offers, policy

ALWAYS = Behaviour(agree_base=1.0, agree_slope=0.0, exchange_weeks=1, renew=1.0)
NEVER = Behaviour(agree_base=0.0, agree_slope=0.0, renew=1.0)


def population(asking, helping, *, weeks=None):
    return Population(
        asking,
        helping,
        need_week=np.zeros(len(asking), np.int64) if weeks is None else np.asarray(weeks),
        offer_week=np.zeros(len(helping), np.int64),
    )


def busy_market(*, per_week=2, weeks=20):
    """One offer with one place, an old need that fits badly, and each week new ones that fit well."""
    arrival = np.repeat(np.arange(weeks), per_week)
    arrival = np.concatenate(([0], arrival))
    level = np.where(np.arange(len(arrival)) == 0, 4, 3)
    return population(needs(len(arrival), level=level), offers(1, level=3), weeks=arrival)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_the_same_seed_gives_the_same_course(rule):
    market = population(needs(8), offers(3, capacity=[1, 2, 1]))

    one, other = (simulate(market, policy(), rule, weeks=6, seed=3) for _ in range(2))

    for name in ("served_week", "waited", "passed_over", "offer", "distance_km"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_another_seed_gives_another_course():
    market = population(needs(30), offers(10))

    courses = [
        simulate(market, policy(), by_plan, weeks=4, seed=seed).served_week.tolist() for seed in range(4)
    ]

    assert len({tuple(course) for course in courses}) > 1


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_an_offer_never_holds_more_exchanges_than_its_capacity(rule):
    held = Behaviour(agree_base=1.0, agree_slope=0.0, exchange_weeks=3, renew=1.0)

    course = simulate(
        population(needs(9), offers(1, capacity=2)), policy(), rule, weeks=9, seed=1, behaviour=held
    )

    starts = np.bincount(course.served_week[course.served_week >= 0], minlength=9)
    assert np.convolve(starts, np.ones(3))[:9].max() <= 2
    assert (course.served_week >= 0).sum() == 6  # two at a time, three weeks each


def test_a_declined_pair_is_never_proposed_again():
    proposed = []

    def watched(asking, helping, using, excluded):
        edges, chosen = by_plan(asking, helping, using, excluded)
        proposed.extend(
            (int(asking.id[edges.need[row]]), int(helping.id[edges.offer[row]])) for row in chosen
        )
        return edges, chosen

    refuse_all = Behaviour(agree_base=0.0, agree_slope=0.0, decline_share=1.0, renew=1.0)
    simulate(population(needs(3), offers(2)), policy(), watched, weeks=8, seed=1, behaviour=refuse_all)

    assert sorted(proposed) == sorted(set(proposed))
    assert len(proposed) == 6


def test_a_pair_without_answer_rests_then_comes_back():
    silent = Behaviour(
        agree_base=0.0, agree_slope=0.0, decline_share=0.0, silence_weeks=2, rest_weeks=4, renew=1.0
    )
    weeks = []

    def watched(asking, helping, using, excluded):
        edges, chosen = by_plan(asking, helping, using, excluded)
        weeks.append(len(chosen))
        return edges, chosen

    simulate(population(needs(1), offers(1)), policy(), watched, weeks=8, seed=1, behaviour=silent)

    # Proposed in week 0, held until week 2, resting until week 6.
    assert weeks == [1, 0, 0, 0, 0, 1]


def test_a_listing_that_is_not_renewed_leaves():
    leaves = Behaviour(agree_base=0.0, agree_slope=0.0, decline_share=1.0, life_weeks=2, renew=0.0)

    course = simulate(population(needs(1), offers(9)), policy(), by_plan, weeks=6, seed=1, behaviour=leaves)

    assert course.waited.tolist() == [2]


def test_a_need_without_candidate_was_never_passed_over():
    market = population(needs(2, skills=[[0, -1, -1], [2, -1, -1]]), offers(1))

    course = simulate(market, policy(), by_plan, weeks=5, seed=1, behaviour=ALWAYS)

    assert course.feasible.tolist() == [True, False]
    assert course.passed_over[1] == 0
    assert course.waited.tolist() == [0, 5]


def test_by_score_alone_a_need_that_fits_badly_starves():
    course = simulate(busy_market(), policy(), by_score_alone, weeks=20, seed=1, behaviour=ALWAYS)

    assert course.served_week[0] == -1
    assert course.passed_over[0] == 20


def test_with_priority_the_same_need_is_served_in_time():
    using = policy(patience_weeks=3, priority_per_week=0.1)

    course = simulate(busy_market(), using, by_plan, weeks=20, seed=1, behaviour=ALWAYS)

    # Its pair scores less by s; after 3 + s / 0.1 weeks its priority outweighs that.
    market = busy_market()
    score = find_candidates(market.needs, market.offers, using).weight
    assert 0 < course.served_week[0] <= 3 + (score.max() - score[0]) / 0.1 + 2


def test_nobody_starves_however_many_come():
    """A crowd of newcomers each week: the wait of each need stays within the bound of the proof."""
    using = policy(patience_weeks=1, priority_per_week=0.5)

    course = simulate(busy_market(per_week=1, weeks=40), using, by_plan, weeks=40, seed=1, behaviour=ALWAYS)

    # One place and one newcomer a week: those published within 1 / 0.5 weeks go first, no others.
    assert course.passed_over.max() <= 1 + 1 / 0.5 + 2


def test_the_share_rule_shows_in_the_count_of_seconds():
    asking = needs(3, organisation=[1, 1, 2], level=[3, 3, 4])
    market = population(asking, offers(2))

    shared = simulate(market, policy(), by_plan, weeks=1, seed=1, behaviour=NEVER)
    unshared = simulate(market, policy(), by_arrival, weeks=1, seed=1, behaviour=NEVER)

    assert (shared.seconds_over_firsts, unshared.seconds_over_firsts) == (0, 1)


def test_a_second_match_that_nobody_else_could_use_is_no_offence():
    edges = Edges(np.array([0, 1, 2]), np.array([0, 1, 0]), np.zeros(3), np.array([0.9, 0.8, 0.7]))

    assert seconds_over_firsts(np.array([1, 1, 2]), edges, np.array([0, 1])) == 0
    assert seconds_over_firsts(np.array([1, 1, 1]), edges, np.array([0, 1])) == 0


@pytest.mark.parametrize(("weeks", "seed", "named"), [(-1, 0, "weeks"), (1, -1, "seed"), (1.5, 0, "weeks")])
def test_a_bad_count_is_named(weeks, seed, named):
    with pytest.raises(ValueError, match=named):
        simulate(population(needs(1), offers(1)), policy(), by_plan, weeks=weeks, seed=seed)


def test_a_population_whose_lengths_differ_is_refused():
    with pytest.raises(ValueError, match="need_week"):
        population(needs(2), offers(1), weeks=[0])


def test_progress_is_told_week_by_week():
    told = []

    simulate(population(needs(1), offers(1)), policy(), by_plan, weeks=3, seed=1, on_week=told.append)

    assert told == [1, 2, 3]
