"""What has been kept long enough is erased, and nothing else."""

import pytest
from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    CaseOutcome,
    Listing,
    ListingState,
    Match,
    MatchState,
    TerritoryInvitation,
    TerritoryRoleKind,
    User,
)
from marketplace.services import jobs, listings, retention
from marketplace.services.errors import InvalidTransition
from tests.support.builders import RENNES_METROPOLE

YEAR = 366


def test_an_account_that_nobody_confirmed_goes_after_a_month(market, clock):
    never, confirmed = market.user(confirmed=False).id, market.user().id
    clock.move(days=29)
    assert retention.purge()["unconfirmed_accounts"] == 0
    clock.move(days=2)
    assert retention.purge()["unconfirmed_accounts"] == 1
    left = set(db.session.scalars(select(User.id)))
    assert confirmed in left
    assert never not in left


@pytest.mark.parametrize(
    "state", [ListingState.WITHDRAWN, ListingState.FULFILLED, ListingState.REMOVED, ListingState.REJECTED]
)
def test_the_text_of_a_listing_that_is_over_goes_after_a_year(market, clock, state):
    over, online = market.need(state=state), market.need()
    text = online.description
    clock.move(days=364)
    assert retention.purge()["listing_texts"] == 0
    clock.move(days=2)
    assert retention.purge()["listing_texts"] == 1
    assert (over.title, over.description, over.state) == ("Annonce effacée", "", state)
    assert online.description == text
    assert retention.purge()["listing_texts"] == 0


def test_an_expired_listing_counts_from_its_term_and_cannot_come_back_without_its_text(market, clock):
    need = market.need()
    clock.move(days=91)
    listings.expire_due()
    clock.move(days=364)
    assert retention.purge()["listing_texts"] == 0
    clock.move(days=2)
    assert retention.purge()["listing_texts"] == 1
    with pytest.raises(InvalidTransition):
        listings.renew(need.id, by=market.speaker(need))


def test_messages_of_a_closed_match_go_after_a_year(market, clock):
    closed = market.match(state=MatchState.CANCELLED, message="Bonjour", close_comment="Désolé")
    live = market.match(message="Bonjour")
    clock.move(days=YEAR)
    assert retention.purge()["match_messages"] == 1
    assert (closed.message, closed.close_comment, live.message) == ("", "", "Bonjour")


def test_who_reported_something_is_forgotten_a_year_after_the_answer(market, clock, db_session):
    listing = market.need()
    closed = market.case(
        listing, closed_at=clock.now, outcome=CaseOutcome.NO_ACTION, reasons="Rien à redire."
    )
    answered, waiting = market.report_of(closed), market.report_of(market.case(market.need()))
    clock.move(days=364)
    assert retention.purge()["reporters"] == 0
    clock.move(days=2)
    assert retention.purge()["reporters"] == 1
    assert (answered.name, answered.email) == ("", f"{answered.id}@efface.invalid")
    assert waiting.name
    assert retention.purge()["reporters"] == 0


def test_an_invitation_that_nobody_took_up_goes_after_a_month(market, clock):
    db.session.add(
        TerritoryInvitation(
            territory_siren=RENNES_METROPOLE,
            email="agent@territoire.example",
            role=TerritoryRoleKind.MODERATOR,
        )
    )
    db.session.commit()
    clock.move(days=31)
    assert retention.purge()["invitations"] == 1


def test_many_rows_go_in_several_transactions(market, clock, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    with market.in_one_transaction():
        for _ in range(5):
            market.need(state=ListingState.WITHDRAWN)
    clock.move(days=YEAR)
    assert retention.purge()["listing_texts"] == 5
    assert db.session.scalar(select(func.count()).where(Listing.description == "")) == 5


def test_the_purge_is_told_to_the_audit_log_when_it_erased_something(market, clock):
    told = select(AuditEntry).where(AuditEntry.action == "data.purged")
    retention.purge()
    assert db.session.scalars(told).all() == []
    market.match(state=MatchState.EXPIRED, message="Bonjour")
    clock.move(days=YEAR)
    retention.purge()
    assert db.session.scalars(told).one().after == {"match_messages": 1}


def test_the_worker_purges_every_night(market, clock):
    jobs.tick()
    match = market.match(state=MatchState.CANCELLED, message="Bonjour")
    clock.move(days=YEAR)
    assert jobs.tick()["purge"] >= 1
    assert db.session.get(Match, match.id).message == ""
    assert "purge" not in jobs.tick()


def test_every_period_is_told_on_the_page_about_personal_data(client):
    page = client.get("/donnees-personnelles").text
    for rule in retention.RULES:
        assert rule.data in page
