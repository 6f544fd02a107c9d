"""A round: circles and pairs decided together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.matching import Policy, find_candidates, plan_round
from tests.matching.random_markets import SECTORS, SKILLS, markets
from tests.matching.small import needs, offers, policy

examples = settings(max_examples=60, deadline=None)
objectives = st.sampled_from(["weight", "coverage"])


def planned(market, **options):
    return plan_round(market.needs, market.offers, market.policy, excluded=market.banned, **options)


def pairs(plan):
    rows = plan.matched
    return list(zip(plan.edges.need[rows].tolist(), plan.edges.offer[rows].tolist(), strict=True))


@examples
@given(market=markets(), objective=objectives)
def test_only_feasible_pairs_are_chosen_and_nobody_takes_more_than_there_is(market, objective):
    plan = planned(market, objective=objective)

    chosen = pairs(plan)
    assert set(chosen) <= set(market.feasible())
    assert len({i for i, _ in chosen}) == len(chosen)
    taken = np.bincount([j for _, j in chosen], minlength=len(market.offers))
    assert (taken <= market.offers.capacity).all()


@examples
@given(market=markets(), objective=objectives)
def test_in_a_circle_each_structure_helps_the_next_and_is_in_no_other(market, objective):
    plan = planned(market, objective=objective)

    edges, members = plan.edges, []
    for circle in plan.circles:
        helpers = market.offers.organisation[edges.offer[list(circle)]].tolist()
        learners = market.needs.organisation[edges.need[list(circle)]].tolist()
        assert learners == helpers[1:] + helpers[:1]
        assert 2 <= len(circle) <= market.policy.circle_max_length
        assert (edges.weight[list(circle)] >= market.policy.circle_min_weight).all()
        members += helpers
    assert len(members) == len(set(members))
    assert set(plan.matched.tolist()) >= {row for circle in plan.circles for row in circle}


@examples
@given(market=markets(), objective=objectives, seed=st.integers(0, 2**32))
def test_the_order_of_rows_does_not_matter(market, objective, seed):
    shuffled = market.shuffled(np.random.default_rng(seed))

    one, other = planned(market, objective=objective), planned(shuffled, objective=objective)

    assert sorted(ids(market, one)) == sorted(ids(shuffled, other))
    assert sorted(circles(market, one)) == sorted(circles(shuffled, other))


def ids(market, plan, rows=None):
    rows = plan.matched if rows is None else np.array(rows)
    return market.ids(plan.edges.need[rows], plan.edges.offer[rows])


def circles(market, plan):
    return [sorted(ids(market, plan, circle)) for circle in plan.circles]


@examples
@given(market=markets())
def test_circles_cost_no_more_matches_than_the_policy_says(market):
    alone = plan_round(
        market.needs, market.offers, without_circles(market.policy), excluded=market.banned
    ).figures.matched

    matched = planned(market).figures.matched

    assert matched >= alone - market.policy.circle_max_loss * alone


def without_circles(using):
    settings = using.to_mapping() | {"circle_min_weight": 1.0, "circle_bonus": 0.0}
    return Policy.from_mapping(settings, skills=SKILLS, sectors=SECTORS)


@examples
@given(market=markets())
def test_figures_say_what_the_plan_holds_and_what_simpler_rules_would_give(market):
    plan = planned(market)

    told = plan.figures
    assert (told.needs, told.offers) == (len(market.needs), len(market.offers))
    assert (told.edges, told.matched, told.circles) == (len(plan.edges), len(plan.matched), len(plan.circles))
    assert told.total_weight == pytest.approx(plan.edges.weight[plan.matched].sum())
    for weight, matched in (
        (told.greedy_weight, told.greedy_matched),
        (told.first_come_weight, told.first_come_matched),
    ):
        assert 0 <= weight <= matched <= len(market.needs)
    assert set(told.seconds) == {"candidates", "pairs", "circles", "together", "baselines"}


@examples
@given(market=markets())
def test_where_nobody_waited_and_each_asks_once_the_plan_is_worth_at_least_what_greed_gives(market):
    asking = needs_of_their_own(market)

    plan = plan_round(asking, market.offers, market.policy)

    assert plan.figures.total_weight >= plan.figures.greedy_weight - 1e-9


def needs_of_their_own(market):
    columns = {
        name: getattr(market.needs, name) for name, f in market.needs.__dataclass_fields__.items() if f.init
    }
    columns |= {
        "waiting_days": np.zeros(len(market.needs)),
        "organisation": 100 + np.arange(len(market.needs)),
    }
    return type(market.needs)(**columns)


@examples
@given(market=markets())
def test_coverage_serves_as_many_needs_as_can_be_but_for_what_circles_may_cost(market):
    most = planned(market, objective="coverage").figures.matched

    by_weight = planned(market, objective="weight").figures.matched

    assert most >= by_weight - market.policy.circle_max_loss * len(market.needs)


def test_two_structures_that_can_help_each_other_do_so_in_a_circle():
    asking = needs(2, organisation=[1, 2], skills=[[0, -1, -1], [2, -1, -1]])
    offering = offers(2, organisation=[2, 1], skills=[[0, -1, -1], [2, -1, -1]])

    plan = plan_round(asking, offering, policy())

    (circle,) = plan.circles
    assert sorted(circle) == plan.matched.tolist()


def test_a_circle_that_would_leave_too_many_needs_alone_is_dropped():
    # 1 and 2 could exchange; but then 3 and 4, whom only their offers can serve, get nothing.
    asking = needs(
        4,
        organisation=[1, 2, 3, 4],
        skills=[[0, -1, -1], [2, -1, -1], [0, -1, -1], [2, -1, -1]],
        lat=[48.1159, 48.1159, 48.2, 48.2],
        radius_km=30.0,
    )
    offering = offers(
        4,
        organisation=[2, 1, 5, 6],
        skills=[[0, -1, -1], [2, -1, -1], [0, -1, -1], [2, -1, -1]],
        lat=[48.1159, 48.1159, 48.05, 48.05],
        radius_km=[30.0, 30.0, 8.0, 8.0],
    )

    using = policy(circle_max_loss=0.0, circle_bonus=0.5)

    alone, together = (
        plan_round(asking.take(np.arange(2)), offering, using),
        plan_round(asking, offering, using),
    )

    assert (len(alone.circles), alone.figures.matched) == (1, 2)
    assert (len(together.circles), together.figures.matched) == (0, 4)


def test_pairs_may_be_found_elsewhere():
    asking, offering = needs(3), offers(3)
    known = find_candidates(asking, offering, policy()).take(np.array([0]))

    plan = plan_round(asking, offering, policy(), find=lambda *_, **__: known)

    assert (plan.figures.edges, plan.figures.matched) == (1, 1)


def test_every_step_is_told_from_its_beginning_to_its_end():
    told = []

    plan_round(needs(2), offers(2), policy(), on_step=lambda name, fraction: told.append((name, fraction)))

    for name in ("candidates", "pairs", "baselines", "circles", "together"):
        fractions = [fraction for step, fraction in told if step == name]
        assert (fractions[0], fractions[-1]) == (0, 1)


def test_an_empty_market_has_an_empty_plan():
    plan = plan_round(needs(0), offers(0), policy())

    assert len(plan.edges) == len(plan.matched) == len(plan.circles) == 0
    assert plan.figures.total_weight == 0


def test_an_unknown_objective_is_refused():
    with pytest.raises(ValueError, match="objective"):
        plan_round(needs(1), offers(1), policy(), objective="luck")


def test_an_excluded_row_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="excluded"):
        plan_round(needs(1), offers(1), policy(), excluded=([0], [5]))
