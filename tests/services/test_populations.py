"""Markets to simulate: invented in real communes, or the present one gone on."""

import dataclasses

import numpy as np
import pytest

from marketplace.models import ListingState, SizeClass
from marketplace.services import populations
from marketplace.services.errors import NotFound
from marketplace.services.populations import RURALITIES, Arrivals

SMALL = Arrivals(weeks=4, needs_per_week=5, offers_per_week=3, seed=1)


def columns(listings):
    return {field.name: getattr(listings, field.name) for field in dataclasses.fields(listings)}


def same(one, other):
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(one, other, strict=True))


def test_the_same_seed_invents_the_same_market(app):
    one, other = (populations.invented(SMALL, region="53") for _ in range(2))

    assert same(columns(one.population.needs).values(), columns(other.population.needs).values())
    assert same(columns(one.population.offers).values(), columns(other.population.offers).values())


def test_an_invented_market_has_a_stock_and_arrivals_in_the_region(app):
    described = populations.invented(SMALL, region="53")
    market = described.population

    assert market.need_week.min() < 0 <= market.need_week.max() <= 3
    assert 15 < len(market.needs) < 100
    assert ((market.needs.lat > 47) & (market.needs.lat < 49)).all()
    assert set(described.rurality) <= set(RURALITIES)
    assert set(described.size) <= {size.value for size in SizeClass}
    assert len(described.size) == len(described.territory) == len(market.needs)


def test_a_region_that_does_not_exist_is_refused(app):
    with pytest.raises(NotFound):
        populations.invented(SMALL, region="99")


def test_the_present_market_comes_first_then_others_like_it(market, clock):
    firm = market.organisation(size_class=SizeClass.MEDIUM)
    old = market.need(organisation=firm, level=3)
    clock.move(days=15)
    market.need(organisation=market.organisation(commune="35152"), level=1)
    market.offer(capacity=2)
    market.need(state=ListingState.WITHDRAWN)

    described = populations.present(SMALL)
    asking = described.population.needs

    assert described.population.need_week[:2].tolist() == [-3, 0]
    assert described.size[0] == "50-249"
    assert asking.level[0] == old.level
    assert asking.organisation[0] == firm.id
    assert set(asking.level[2:]) <= {1, 3}
    assert (asking.organisation[2:] < 0).all()
    assert len(set(asking.organisation.tolist())) == len(asking)
    assert (np.diff(asking.id) == 1).all()


def test_there_is_no_present_market_without_offers(market):
    market.need()

    with pytest.raises(NotFound):
        populations.present(SMALL)


def test_rurality_follows_the_inhabitants_of_the_commune():
    found = populations.rurality_of(np.array([150, 1_999, 2_000, 19_999, 20_000, 500_000]))

    assert found.tolist() == ["rural", "rural", "town", "town", "city", "city"]
