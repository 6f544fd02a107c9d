"""Who may do what: the same answer for every page and every command."""

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import Listing, ListingState, MatchState, MembershipRole, MembershipState
from marketplace.services import rights
from marketplace.services.errors import NotAllowed, NotFound
from tests.support.builders import LIFFRE, LIFFRE_CORMIER, RENNES_METROPOLE

HIDDEN = [state for state in ListingState if state is not ListingState.PUBLISHED]


@pytest.mark.parametrize(
    ("role", "state", "speaks", "manages"),
    [
        (MembershipRole.EMPLOYEE, MembershipState.ACTIVE, True, False),
        (MembershipRole.MANAGER, MembershipState.ACTIVE, True, True),
        (MembershipRole.EMPLOYEE, MembershipState.REQUESTED, False, False),
        (MembershipRole.MANAGER, MembershipState.REQUESTED, False, False),
        (MembershipRole.MANAGER, MembershipState.REFUSED, False, False),
        (MembershipRole.MANAGER, MembershipState.ENDED, False, False),
    ],
)
def test_only_an_active_member_speaks_and_only_an_active_manager_manages(
    market, role, state, speaks, manages
):
    organisation = market.organisation()
    user = market.employee(organisation, role=role, state=state)
    assert rights.speaks_for(user, organisation.id) is speaks
    assert rights.manages(user, organisation.id) is manages


def test_a_manager_of_one_structure_is_nobody_in_another(market):
    manager, other = market.speaker(market.organisation()), market.organisation()
    assert not rights.speaks_for(manager, other.id)
    assert not rights.manages(manager, other.id)


def test_neither_a_moderator_nor_an_administrator_speaks_for_a_structure(market):
    organisation = market.organisation()
    for user in (market.moderator(), market.admin()):
        assert not rights.speaks_for(user, organisation.id)
        with pytest.raises(NotFound):
            rights.require_speaker(user, organisation.id)


def test_an_unconfirmed_member_does_not_act_yet(market):
    organisation = market.organisation()
    user = market.employee(organisation, user=market.user(confirmed=False))
    with pytest.raises(NotAllowed):
        rights.require_speaker(user, organisation.id)


def test_a_suspended_structure_does_not_act(market, clock):
    organisation = market.organisation(suspended_at=clock.now)
    with pytest.raises(NotAllowed):
        rights.require_speaker(market.speaker(organisation), organisation.id)


def test_a_stranger_does_not_learn_that_a_structure_is_suspended(market, clock):
    organisation = market.organisation(suspended_at=clock.now)
    with pytest.raises(NotFound):
        rights.require_speaker(market.user(), organisation.id)


def test_a_moderator_moderates_their_territory_and_no_other(market):
    moderator = market.moderator(RENNES_METROPOLE)
    assert rights.moderates(moderator, RENNES_METROPOLE)
    assert not rights.moderates(moderator, LIFFRE_CORMIER)
    assert not rights.moderates(moderator, None)


def test_an_administrator_moderates_everywhere_even_where_there_is_no_territory(market):
    admin = market.admin()
    assert all(rights.moderates(admin, siren) for siren in (RENNES_METROPOLE, LIFFRE_CORMIER, None))


def test_being_a_moderator_means_having_a_territory_or_the_nation(market):
    assert rights.is_moderator(market.moderator())
    assert rights.is_moderator(market.admin())
    assert not rights.is_moderator(market.user())


def test_a_listing_elsewhere_is_not_even_there_for_a_moderator(market):
    need = market.need()
    rights.require_moderator(market.moderator(), need)
    with pytest.raises(NotFound):
        rights.require_moderator(market.moderator(LIFFRE_CORMIER), need)
    with pytest.raises(NotFound):
        rights.require_moderator(market.user(), need)


def test_the_queue_of_each_holds_what_each_moderates(market):
    here, there = market.need(), market.need(organisation=market.organisation(commune=LIFFRE))
    nowhere = market.need(territory_siren=None)

    def seen(condition) -> list[Listing]:
        return list(db.session.scalars(select(Listing).where(condition).order_by(Listing.id)))

    assert seen(rights.moderated_listings(market.moderator())) == [here]
    assert seen(rights.moderated_listings(market.moderator(LIFFRE_CORMIER))) == [there]
    assert seen(rights.moderated_listings(market.admin())) == [here, there, nowhere]
    assert seen(rights.moderated_listings(market.user())) == []


def test_the_administrator_answers_where_nobody_nearer_does(market):
    market.open_territory(RENNES_METROPOLE)
    market.need()
    closed = market.need(organisation=market.organisation(commune=LIFFRE))
    nowhere = market.need(territory_siren=None)

    def seen(user) -> list[Listing]:
        query = select(Listing).where(rights.moderated_by_nation(user)).order_by(Listing.id)
        return list(db.session.scalars(query))

    assert seen(market.admin()) == [closed, nowhere]
    assert seen(market.moderator(LIFFRE_CORMIER)) == []


def test_what_is_published_is_for_all(market):
    need = market.need()
    for user in (None, market.user(), market.moderator(LIFFRE_CORMIER)):
        assert rights.sees_listing(user, need)


def test_what_a_suspended_structure_published_is_for_itself_and_its_moderators(market, clock):
    need = market.need(organisation=market.organisation(suspended_at=clock.now))
    assert not rights.sees_listing(None, need)
    assert not rights.sees_listing(market.user(), need)
    assert rights.sees_listing(market.speaker(need), need)
    assert rights.sees_listing(market.moderator(), need)


@pytest.mark.parametrize("state", HIDDEN)
def test_what_is_not_published_is_for_its_structure_and_its_moderators(market, state):
    need = market.need(state=state)
    sent = state is not ListingState.DRAFT
    assert rights.sees_listing(market.speaker(need), need)
    assert rights.sees_listing(market.moderator(), need) is sent
    assert rights.sees_listing(market.admin(), need) is sent
    assert not rights.sees_listing(market.moderator(LIFFRE_CORMIER), need)
    assert not rights.sees_listing(market.speaker(market.organisation()), need)
    assert not rights.sees_listing(market.user(), need)
    assert not rights.sees_listing(None, need)


def test_the_counterpart_of_a_match_still_sees_a_listing_that_closed(market):
    need, offer = market.need(state=ListingState.FULFILLED), market.offer()
    market.match(need=need, offer=offer, state=MatchState.COMPLETED)
    assert rights.sees_listing(market.speaker(offer), need)
    assert not rights.sees_listing(market.speaker(market.offer()), need)
