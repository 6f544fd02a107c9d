"""Where one workshop would answer many needs."""

from itertools import pairwise

import numpy as np
import pytest
from geopy.distance import geodesic

from marketplace.models import Commune, ListingState, MatchState
from marketplace.services import market as market_service
from marketplace.services import workshop_proposals
from marketplace.services.errors import NotFound
from marketplace.services.workshop_proposals import FEWEST_NEEDS, REACH_KM
from tests.support.builders import CESSON, LIFFRE, LIFFRE_CORMIER, RENNES, RENNES_METROPOLE
from tests.support.queries import counted

BRUZ, BECHEREL, CHANTEPIE = "35047", "35022", "35055"


@pytest.fixture
def moderator(market):
    return market.moderator()


@pytest.fixture
def proposals(moderator):
    return lambda: workshop_proposals.find(RENNES_METROPOLE, by=moderator)


def needs_in(market, *communes, **fields):
    with market.in_one_transaction():
        return [market.need(organisation=market.organisation(commune=one), **fields) for one in communes]


def ids(proposal) -> set[int]:
    return {one.need.id for one in proposal.travellers}


class TestGroups:
    def test_five_needs_nearby_make_a_workshop(self, market, proposals):
        needs = needs_in(market, RENNES, RENNES, CESSON, BRUZ, CHANTEPIE)

        (found,) = proposals()
        assert ids(found) == {need.id for need in needs}
        assert found.skill.slug == "boutique-en-ligne"

    def test_four_do_not(self, market, proposals):
        needs_in(market, *[RENNES] * (FEWEST_NEEDS - 1))

        assert proposals() == []

    def test_another_skill_does_not_count(self, market, proposals):
        needs_in(market, *[RENNES] * (FEWEST_NEEDS - 1))
        needs_in(market, RENNES, skill="tableur")

        assert proposals() == []

    def test_a_need_too_far_from_all_does_not_count(self, market, proposals):
        """Bécherel lies 30 km from Rennes and from Chantepie."""
        needs_in(market, RENNES, RENNES, CHANTEPIE, CHANTEPIE, BECHEREL)

        assert proposals() == []

    def test_every_need_of_a_group_is_within_reach_of_its_centre(self, market, proposals):
        needs_in(market, RENNES, CESSON, BRUZ, CHANTEPIE, BECHEREL, RENNES)

        (found,) = proposals()
        centre = found.centre
        for one in found.travellers:
            commune = one.need.commune
            km = market_service.distances_km(centre.lat, centre.lon, [commune.lat], [commune.lon])[0]
            assert km <= REACH_KM

    def test_what_is_matched_paused_or_suspended_does_not_wait(self, market, proposals):
        needs = needs_in(market, *[RENNES] * (FEWEST_NEEDS - 1))
        market.match(need=market.need(), state=MatchState.PROPOSED)
        needs_in(market, RENNES, state=ListingState.PAUSED)
        suspended = market.organisation(suspended_at=needs[0].published_at)
        market.need(organisation=suspended)

        assert proposals() == []

    def test_another_territory_has_its_own(self, market, proposals):
        needs_in(market, *[RENNES] * (FEWEST_NEEDS - 1), LIFFRE)

        assert proposals() == []

    def test_no_need_is_in_two_proposals(self, market, proposals, db_session):
        communes = db_session.query(Commune.insee).filter_by(territory_siren=RENNES_METROPOLE)
        everywhere = [insee for (insee,) in communes.order_by(Commune.insee)]
        needs_in(market, *everywhere, *everywhere)

        groups = [ids(found) for found in proposals()]
        assert len(groups) > 1
        assert all(not one & other for one, other in pairwise(groups))
        assert len(set().union(*groups)) == sum(len(group) for group in groups)

    def test_the_same_needs_give_the_same_proposals(self, market, proposals):
        needs_in(market, RENNES, BRUZ, CESSON, CHANTEPIE, RENNES)

        first, again = proposals(), proposals()
        assert [(one.centre.insee, one.place.insee, one.mark) for one in first] == [
            (one.centre.insee, one.place.insee, one.mark) for one in again
        ]

    def test_the_largest_group_comes_first(self, market, proposals):
        needs_in(market, *[RENNES] * 5, skill="tableur")
        needs_in(market, *[RENNES] * 6)

        assert [len(found.travellers) for found in proposals()] == [6, 5]


class TestPlace:
    def test_no_commune_of_the_territory_asks_for_less_travel(self, market, proposals, db_session):
        """Against each commune by itself, with another library's distances."""
        needs_in(market, RENNES, CESSON, BRUZ, BRUZ, CHANTEPIE, BRUZ)
        (found,) = proposals()

        def total(commune) -> float:
            return sum(
                geodesic((commune.lat, commune.lon), (one.need.commune.lat, one.need.commune.lon)).km
                for one in found.travellers
            )

        candidates = db_session.query(Commune).filter_by(territory_siren=RENNES_METROPOLE).all()
        assert found.total_km == pytest.approx(min(map(total, candidates)), abs=0.01)
        assert total(found.place) == pytest.approx(found.total_km, abs=0.01)
        assert found.farthest_km == max(one.distance_km for one in found.travellers)

    def test_the_place_may_be_where_nobody_is(self):
        """Three corners of a triangle, and a candidate in its middle."""
        distances = np.array([[0.0, 10.0, 10.0], [10.0, 0.0, 10.0], [10.0, 10.0, 0.0], [6.0, 6.0, 6.0]])
        assert workshop_proposals._median(distances) == 3

    def test_where_they_come_from_is_told_by_commune(self, market, proposals):
        needs_in(market, RENNES, RENNES, RENNES, RENNES, CESSON)

        (found,) = proposals()
        assert [(one.commune.name, one.needs) for one in found.origins] == [
            ("Rennes", 4),
            ("Cesson-Sévigné", 1),
        ]


class TestHelpers:
    def test_offers_with_room_and_level_the_nearest_first(self, market, proposals):
        needs_in(market, *[RENNES] * 5, level=3)
        near = market.offer(level=3)
        far = market.offer(organisation=market.organisation(commune=LIFFRE), level=4)
        market.offer(level=2)
        market.offer(skill="tableur", level=4)
        full = market.offer(level=4)
        market.match(offer=full, need=market.need(skill="tableur"))

        (found,) = proposals()
        assert [one.offer.id for one in workshop_proposals.helpers(found)] == [near.id, far.id]

    def test_a_second_skill_counts(self, market, proposals):
        needs_in(market, *[RENNES] * 5)
        offer = market.offer(skill="tableur", extra_skills=("boutique-en-ligne",))

        (found,) = proposals()
        assert [one.offer.id for one in workshop_proposals.helpers(found)] == [offer.id]


@pytest.mark.parametrize("who", ["elsewhere", "firm"])
def test_only_moderators_of_the_territory_see_proposals(market, who):
    need = market.need()
    reader = market.moderator(LIFFRE_CORMIER) if who == "elsewhere" else market.speaker(need)

    with pytest.raises(NotFound):
        workshop_proposals.find(RENNES_METROPOLE, by=reader)


def test_a_proposal_that_is_no_more_is_not_found(market, moderator):
    with pytest.raises(NotFound):
        workshop_proposals.get(RENNES_METROPOLE, "tableur", RENNES, by=moderator)


def test_the_number_of_queries_does_not_grow(market, proposals):
    def queries() -> int:
        with counted() as count:
            proposals()
        return int(count)

    needs_in(market, *[RENNES] * 5)
    few = queries()
    needs_in(market, *[CESSON] * 8)
    needs_in(market, *[BRUZ] * 7, skill="tableur")
    assert queries() == few
