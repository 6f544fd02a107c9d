"""What a skill's page and a territory's tell."""

import pytest

from marketplace import clock
from marketplace.models import ListingState, MatchState
from marketplace.services import sheets
from marketplace.services.errors import NotFound
from tests.support.builders import CESSON, LIFFRE, RENNES_METROPOLE


def test_a_skill_tells_its_domain_its_neighbours_and_what_is_online(market):
    need, offer = market.need(skill="tableur"), market.offer(skill="tableur")
    sheet = sheets.skill("tableur")
    assert sheet.skill.domain.slug == "bureautique"
    assert sheet.skill.related
    assert [one.listing.id for one in sheet.needs.page.items] == [need.id]
    assert [one.listing.id for one in sheet.offers.page.items] == [offer.id]


@pytest.mark.parametrize("slug", ["inconnue", "", "Tableur", "x" * 1000])
def test_an_unknown_skill_is_not_found(app, slug):
    with pytest.raises(NotFound):
        sheets.skill(slug)


def test_a_territory_tells_its_figures_and_not_its_neighbours(market):
    here, elsewhere = market.organisation(commune=CESSON), market.organisation(commune=LIFFRE)
    need, offer = market.need(organisation=here), market.offer(organisation=here)
    market.need(organisation=elsewhere)
    market.organisation(commune=CESSON, suspended_at=clock.now())
    done = market.need(organisation=here, state=ListingState.FULFILLED)
    market.match(need=done, offer=market.offer(organisation=elsewhere), state=MatchState.COMPLETED)
    market.match(need=need, offer=market.offer(organisation=elsewhere), state=MatchState.AGREED)
    sheet = sheets.territory(RENNES_METROPOLE)
    assert sheet.territory.department.name == "Ille-et-Vilaine"
    assert [one.listing.id for one in sheet.needs.page.items] == [need.id]
    assert [one.listing.id for one in sheet.offers.page.items] == [offer.id]
    assert (sheet.communes, sheet.organisations, sheet.exchanges) == (43, 1, 1)


@pytest.mark.parametrize("siren", ["000000000", "", "abc", "9" * 1000])
def test_an_unknown_territory_is_not_found(app, siren):
    with pytest.raises(NotFound):
        sheets.territory(siren)
