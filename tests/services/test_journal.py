"""Every act that changes a listing tells it to the processes that keep listings in memory."""

import pytest
from sqlalchemy import insert, select, update

from marketplace.models import (
    DeclineReason,
    Listing,
    ListingChange,
    ListingSkill,
    ListingState,
    MatchState,
    Organisation,
)
from marketplace.services import journal, listings, matches, moderation, ranking, rounds
from marketplace.services.errors import ServiceError
from marketplace.services.journal import TOUCHED, Version
from tests.support.threads import at_once


@pytest.fixture
def told():
    """Return the listings told since the last time it was called; None when everything may have changed."""
    seen = [journal.version()]

    def ask() -> set[int] | None:
        before, seen[0] = seen[0], journal.version()
        return journal.changed_since(before, seen[0])

    return ask


def test_nothing_changed_tells_nothing(market, told):
    market.need()
    told()

    assert told() == set()


def test_a_new_listing_is_told(market, told):
    market.need()
    told()

    offer = market.offer(extra_skills=["tableur"])

    assert told() == {offer.id}


@pytest.mark.parametrize("act", [listings.pause, listings.withdraw, listings.renew])
def test_what_its_author_does_to_a_listing_is_told(market, told, act):
    offer = market.offer()
    told()

    act(offer.id, by=market.speaker(offer))

    assert told() == {offer.id}


def test_the_decision_of_a_moderator_is_told(market, told):
    market.open_territory()
    offer = market.offer(state=ListingState.PENDING)
    moderator = market.moderator()
    told()

    version = moderation.version_of(offer)
    moderation.decide(offer.id, moderation.DecisionAction.APPROVE, by=moderator, version=version)

    assert told() == {offer.id}


def test_a_listing_that_expires_is_told(market, told, clock):
    offer = market.offer()
    told()

    clock.move(days=91)
    listings.expire_due()

    assert told() == {offer.id}


def test_both_listings_of_a_proposal_are_told_and_again_when_it_ends(market, told):
    need, offer = market.need(), market.offer()
    told()

    match = matches.propose(need.id, offer.id, by=market.speaker(need), reasons=ranking.reasons(need, offer))
    assert told() == {need.id, offer.id}

    matches.decline(match.id, by=market.speaker(offer), reason=DeclineReason.NO_TIME)
    assert told() == {need.id, offer.id}


def test_an_exchange_that_took_place_is_told(market, told):
    need = market.need()
    match = market.match(need=need, state=MatchState.AGREED)
    told()

    matches.complete(match.id, by=market.speaker(need))

    assert told() == {match.need_id, match.offer_id}


def test_what_a_round_pairs_is_told(market, told):
    need, offer = market.need(), market.offer()
    market.offer(skill="paie-en-ligne")
    told()

    rounds.run()

    assert told() == {need.id, offer.id}


def test_a_suspended_structure_tells_its_listings(market, told, db_session, clock):
    firm = market.organisation()
    mine = {market.need(organisation=firm).id, market.offer(organisation=firm).id}
    market.need()
    told()

    firm.suspended_at = clock.now
    db_session.commit()

    assert told() == mine


def test_a_further_skill_is_told(market, told, db_session):
    offer = market.offer()
    told()

    db_session.add(ListingSkill(listing_id=offer.id, rank=1, skill_id=market.skill("tableur").id))
    db_session.commit()

    assert told() == {offer.id}


def test_a_statement_that_says_whom_it_changes_tells_these(market, told, db_session):
    one, other = market.need(), market.need()
    told()

    db_session.execute(
        update(Listing)
        .where(Listing.id == one.id)
        .values(radius_km=5)
        .execution_options(**{TOUCHED: [one.id]})
    )
    db_session.commit()

    assert told() == {one.id}
    assert other.id


def test_a_statement_that_does_not_say_it_may_have_changed_everything(market, told, db_session):
    market.need()
    told()

    db_session.execute(update(Listing).values(radius_km=5))
    db_session.commit()

    assert told() is None


def test_listings_written_in_one_go_may_have_changed_everything(market, told, db_session):
    need = market.need()
    row = {
        column.name: getattr(need, column.name) for column in Listing.__table__.columns if column.name != "id"
    }
    told()

    db_session.execute(insert(Listing), [row])
    db_session.commit()

    assert told() is None


def test_so_many_at_once_are_told_as_everything(market, told, monkeypatch):
    monkeypatch.setattr(journal, "MOST_TOLD", 1)
    market.need(), market.offer()
    told()

    rounds.run()

    assert told() is None


def test_an_act_that_fails_tells_nothing(market, told):
    need, offer = market.need(), market.offer()
    market.match(need=need)
    told()

    with pytest.raises(ServiceError):
        matches.propose(need.id, offer.id, by=market.speaker(need), reasons=ranking.reasons(need, offer))

    assert told() == set()


def test_acts_at_the_same_instant_are_all_told(app, market, told):
    offers = [market.offer() for _ in range(4)]
    authors = [market.speaker(offer) for offer in offers]
    told()

    def pause(offer_id: int, author_id: int):
        from marketplace.extensions import db
        from marketplace.models import User

        return lambda: listings.pause(offer_id, by=db.session.get_one(User, author_id))

    pairs = zip([offer.id for offer in offers], [author.id for author in authors], strict=True)
    at_once(app, *(pause(*pair) for pair in pairs))

    assert told() == {offer.id for offer in offers}


def test_who_comes_after_the_oldest_changes_were_forgotten_knows_it(market, db_session, monkeypatch):
    monkeypatch.setattr(journal, "VERSIONS_KEPT", 1)
    market.need()
    early = journal.version()
    market.need()
    late = journal.version()
    market.need()

    journal.forget_old()

    now = journal.version()
    assert journal.changed_since(early, now) is None
    assert journal.changed_since(late, now) is not None
    assert len(set(db_session.scalars(select(ListingChange.version)))) == 1


def test_a_version_of_another_epoch_or_of_the_future_says_nothing_of_what_changed(market):
    market.need()
    now = journal.version()

    assert journal.changed_since(Version("another", now.number), now) is None
    assert journal.changed_since(Version(now.epoch, now.number + 1), now) is None


def test_the_name_of_a_structure_is_no_change_of_its_listings(market, told, db_session):
    need = market.need()
    firm = db_session.get(Organisation, need.organisation_id)
    told()

    firm.name = "Le Bon Pain"
    db_session.commit()

    assert told() == set()
