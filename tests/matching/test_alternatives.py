"""What one change of a need would open is what explain() says once the need has changed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.matching import (
    Needs,
    Offers,
    Policy,
    SectorTree,
    SkillGraph,
    alternatives,
    explain,
    explain_pairs,
)
from marketplace.matching.arrays import REMOTE
from tests.matching import small
from tests.matching.small import RENNES

SKILLS = SkillGraph.from_lists([0, 0, 0, 0, 1], [(0, 1)])
# A section, a division, a group, and two classes of it.
SECTORS = SectorTree.from_parents([-1, 0, 1, 2, 2])
COUNT = 8


@st.composite
def columns(draw, n: int, **own):
    def column(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    skill = st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True)
    return {
        "skills": [row + [-1] * (3 - len(row)) for row in column(skill)],
        "level": column(st.integers(1, 4)),
        "lat": [RENNES[0] + step / 20 for step in column(st.integers(0, 12))],
        "radius_km": [float(km) for km in column(st.sampled_from([0, 5, 12, 30, 80]))],
        "places": column(st.integers(1, 7)),
        "sector": column(st.integers(0, 4)),
        "avoid_competitors": column(st.booleans()),
        "competitor_radius_km": [float(km) for km in column(st.sampled_from([0, 10, 40]))],
        **{name: column(values) for name, values in own.items()},
    }


@st.composite
def markets(draw):
    need = small.needs(1, **draw(columns(1)))
    offers = small.offers(COUNT, **draw(columns(COUNT, capacity=st.integers(0, 2))))
    closed = draw(st.lists(st.integers(0, COUNT - 1), max_size=2, unique=True))
    policy = Policy(
        skills=SKILLS,
        sectors=SECTORS,
        level_gap=draw(st.integers(0, 2)),
        same_domain=draw(st.sampled_from([0.2, 0.6])),
    )
    return need, offers, closed, policy


def fitting(need: Needs, offers: Offers, closed: list[int], policy: Policy) -> set[int]:
    told = explain_pairs(need, [0] * len(offers), offers, range(len(offers)), policy)
    return {
        row
        for row, one in enumerate(told)
        if offers.capacity[row] and row not in closed and not one.excluded_by
    }


def changed(need: Needs, **values) -> Needs:
    return replace(
        need, **{name: np.array([value]).astype(getattr(need, name).dtype) for name, value in values.items()}
    )


@settings(max_examples=150, deadline=None)
@given(markets())
def test_each_change_opens_as_many_offers_as_it_says(market):
    need, offers, closed, policy = market
    told = alternatives(need, 0, offers, policy, closed=closed)
    now = fitting(need, offers, closed, policy)

    def opened(**values) -> int:
        return len(fitting(changed(need, **values), offers, closed, policy) - now)

    places = int(need.places[0])
    assert told.fitting == len(now)
    for step in told.radius:
        assert step.offers == opened(radius_km=step.value) > 0
    assert told.remote == (0 if places & REMOTE else opened(places=places | REMOTE))
    for step in told.places:
        assert step.offers == opened(places=places | step.value) > 0
    for step in told.level:
        assert step.offers == opened(level=step.value) > 0
    for step in told.skills:
        wanted = need.skills[0].copy()
        wanted[np.argmax(wanted < 0)] = step.value
        assert step.offers == opened(skills=wanted) > 0
    if need.avoid_competitors[0]:
        assert told.competitors == opened(avoid_competitors=False)
    else:
        assert told.competitors == 0


@settings(max_examples=100, deadline=None)
@given(markets())
def test_no_change_that_opens_something_is_left_out(market):
    need, offers, closed, policy = market
    told = alternatives(need, 0, offers, policy, closed=closed)
    now = fitting(need, offers, closed, policy)

    def opens(**values) -> bool:
        return bool(fitting(changed(need, **values), offers, closed, policy) - now)

    widest = told.radius[0].value - 1 if told.radius else 200
    assert not opens(radius_km=max(widest, need.radius_km[0]))
    assert bool(told.level) == any(opens(level=level) for level in range(1, int(need.level[0])))
    assert bool(told.places) == any(
        opens(places=int(need.places[0]) | place) for place in (1, 2) if not need.places[0] & place
    )
    if (need.skills[0] < 0).any():
        free = int(np.argmax(need.skills[0] < 0))
        more = [np.where(np.arange(3) == free, skill, need.skills[0]) for skill in range(5)]
        assert bool(told.skills) == any(opens(skills=skills) for skills in more)


@settings(max_examples=100, deadline=None)
@given(markets())
def test_the_obstacle_is_what_explain_says_of_the_pairs(market):
    need, offers, closed, policy = market
    told = alternatives(need, 0, offers, policy, closed=closed)
    rules = [explain(need, 0, offers, row, policy).excluded_by for row in range(COUNT)]
    fit = [row for row in range(COUNT) if not rules[row]]

    if told.obstacle == "none":
        assert fitting(need, offers, closed, policy)
    elif told.obstacle in ("taken", "closed"):
        assert fit and not fitting(need, offers, closed, policy)
        assert (told.obstacle == "closed") == all(row in closed for row in fit)
    elif told.obstacle == "skill":
        assert all("skill" in broken or "organisation" in broken for broken in rules)
    elif told.obstacle == "several":
        assert not fit and any("skill" not in broken for broken in rules)
    else:
        assert not fit and (told.obstacle,) in rules


def test_a_need_with_an_offer_has_no_obstacle():
    told = alternatives(small.needs(1), 0, small.offers(1), small.policy())

    assert (told.obstacle, told.fitting) == ("none", 1)


def test_without_offers_nobody_has_the_skill():
    assert alternatives(small.needs(1), 0, small.offers(0), small.policy()).obstacle == "skill"


def test_an_offer_a_little_too_far_says_by_how_much_to_widen_the_circle():
    need = small.needs(1, radius_km=10.0)
    offers = small.offers(2, lat=[RENNES[0] + 0.2, RENNES[0] + 0.4], radius_km=100.0)

    told = alternatives(need, 0, offers, small.policy())

    assert told.obstacle == "radius"
    assert told.nearest_km == pytest.approx(22.24, abs=0.05)
    assert [(step.value, step.offers) for step in told.radius] == [(23, 1), (45, 2)]


def test_the_radius_of_the_offer_stands_whatever_the_need_does():
    need = small.needs(1, radius_km=10.0)
    offers = small.offers(1, lat=RENNES[0] + 0.2, radius_km=15.0)

    told = alternatives(need, 0, offers, small.policy())

    assert (told.obstacle, told.radius) == ("radius", ())


def test_full_offers_and_closed_pairs_are_told_apart():
    full = alternatives(small.needs(1), 0, small.offers(1, capacity=0), small.policy())
    closed = alternatives(small.needs(1), 0, small.offers(1), small.policy(), closed=[0])

    assert (full.obstacle, closed.obstacle) == ("taken", "closed")


def test_rows_not_asked_for_are_not_looked_at():
    told = alternatives(small.needs(1), 0, small.offers(3), small.policy(), rows=[0, 2])

    assert told.fitting == 2


@pytest.mark.parametrize(("name", "bad"), [("rows", [1]), ("rows", [-1]), ("closed", [1]), ("closed", [-1])])
def test_an_index_out_of_range_is_refused_by_name(name, bad):
    with pytest.raises(ValueError, match=name):
        alternatives(small.needs(1), 0, small.offers(1), small.policy(), **{name: bad})


def test_a_need_that_is_not_there_is_refused():
    with pytest.raises(IndexError):
        alternatives(small.needs(1), 1, small.offers(1), small.policy())
