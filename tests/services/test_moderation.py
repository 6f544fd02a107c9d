"""The queue of a territory, and what decisions do."""

from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    DecisionAction,
    DecisionGround,
    InvalidTransition,
    Listing,
    ListingState,
    Match,
    MatchState,
    ModerationDecision,
)
from marketplace.services import desk, listings, moderation
from marketplace.services.desk import QueueFilters
from marketplace.services.errors import AlreadyDecided, FieldError, NotAllowed, NotFound
from marketplace.services.listings import ListingSheet
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE

A, S = DecisionAction, ListingState
REASONS = {"ground": DecisionGround.UNCLEAR, "facts": "Le texte ne dit pas ce qui est cherché."}
ALLOWED = {
    (S.PENDING, A.APPROVE): S.PUBLISHED,
    (S.PENDING, A.REQUEST_CHANGES): S.CHANGES_REQUESTED,
    (S.PENDING, A.REJECT): S.REJECTED,
    (S.PUBLISHED, A.REMOVE): S.REMOVED,
    (S.PAUSED, A.REMOVE): S.REMOVED,
}
REFUSED = [case for case in product(S, A) if case not in ALLOWED and case[0] is not S.DRAFT]


@pytest.fixture
def moderator(market):
    market.open_territory()
    return market.moderator()


def decide(listing, action, *, by, **reasons):
    version = moderation.version_of(listing)
    if action is not A.APPROVE:
        reasons = REASONS | reasons
    return moderation.decide(listing.id, action, by=by, version=version, **reasons)


def waiting(by, **filters):
    page = desk.queue(by=by, filters=QueueFilters(**filters), page=1)
    return [item.listing.id for item in page.items]


@pytest.mark.parametrize(("state", "action"), ALLOWED)
def test_a_decision_moves_the_listing(market, moderator, state, action):
    listing = market.need(state=state)

    decide(listing, action, by=moderator)

    assert db.session.get(Listing, listing.id).state is ALLOWED[state, action]


@pytest.mark.parametrize(("state", "action"), REFUSED)
def test_no_other_decision_is_possible_and_nothing_changes(market, moderator, outbox, state, action):
    listing = market.need(state=state)

    with pytest.raises((AlreadyDecided, InvalidTransition)):
        decide(listing, action, by=moderator)

    db.session.rollback()
    assert db.session.get(Listing, listing.id).state is state
    assert db.session.scalar(select(ModerationDecision)) is None
    assert outbox.all() == []


def test_a_draft_is_its_authors_alone(market, moderator):
    draft = market.need(state=S.DRAFT)

    with pytest.raises(NotFound):
        desk.review(draft.id, by=moderator)
    with pytest.raises(NotFound):
        decide(draft, A.APPROVE, by=moderator)


def test_an_approved_listing_starts_its_life_and_its_author_is_told(market, moderator, clock, outbox):
    listing = market.need(state=S.PENDING)
    clock.move(days=3)

    decide(listing, A.APPROVE, by=moderator)

    kept = db.session.get(Listing, listing.id)
    assert (kept.published_at, kept.expires_at) == (clock.now, clock.now + timedelta(days=90))
    (mail,) = outbox.to(market.speaker(listing).email)
    assert "est en ligne" in mail.subject


def test_a_decision_against_a_listing_keeps_and_mails_its_reasons(market, moderator, outbox):
    listing = market.offer(state=S.PENDING, flags=["price", "link"])

    decide(listing, A.REJECT, by=moderator, ground=DecisionGround.COMMERCIAL, facts="« 50 € de l’heure »")

    kept = db.session.scalars(select(ModerationDecision)).one()
    assert (kept.ground, kept.facts) == (DecisionGround.COMMERCIAL, "« 50 € de l’heure »")
    assert kept.automated_flags == ["price", "link"]
    assert kept.snapshot["description"] == listing.description
    assert (kept.moderator_id, kept.territory_siren) == (moderator.id, RENNES_METROPOLE)
    told = outbox.last(to=market.speaker(listing).email).text
    assert "L’annonce vend une prestation" in told
    assert "« 50 € de l’heure »" in told
    assert "prix, lien" in told
    assert "six mois pour contester" in told
    assert moderator.name not in told
    assert moderator.email not in told


def test_a_decision_made_without_any_tool_says_so(market, moderator, outbox):
    listing = market.need(state=S.PENDING)

    decide(listing, A.REQUEST_CHANGES, by=moderator)

    told = outbox.last(to=market.speaker(listing).email).text
    assert "aucun outil automatique" in told
    assert f"/annonces/{listing.id}/modifier" in told


@pytest.mark.parametrize("missing", ["ground", "facts"])
@pytest.mark.parametrize("action", [A.REQUEST_CHANGES, A.REJECT])
def test_a_decision_against_a_listing_needs_its_reasons(market, moderator, action, missing):
    listing = market.need(state=S.PENDING)

    with pytest.raises(FieldError) as refused:
        decide(listing, action, by=moderator, **{missing: None if missing == "ground" else "  "})

    assert refused.value.field == missing
    db.session.rollback()
    assert db.session.get(Listing, listing.id).state is S.PENDING


def test_the_decision_is_in_the_audit_log_with_both_states(market, moderator):
    listing = market.need(state=S.PENDING)

    decision = decide(listing, A.REJECT, by=moderator)

    line = db.session.scalars(select(AuditEntry)).one()
    assert (line.action, line.actor_id, line.territory_siren) == (
        "listing.rejected",
        moderator.id,
        RENNES_METROPOLE,
    )
    assert (line.before, line.after) == ({"state": "pending"}, {"state": "rejected", "decision": decision.id})
    assert REASONS["facts"] in line.reason


def test_who_comes_second_is_told_that_it_is_decided(market, moderator):
    listing = market.need(state=S.PENDING)
    decide(listing, A.APPROVE, by=moderator)

    with pytest.raises(AlreadyDecided) as refused:
        decide(listing, A.REJECT, by=market.moderator())
    assert refused.value.state == "published"


def test_a_text_that_changed_while_it_was_read_is_read_again(market, moderator):
    listing = market.need(state=S.PENDING)
    version = moderation.version_of(listing)
    listings.change(
        listing.id,
        ListingSheet(
            skill_id=listing.skill_id,
            level=listing.level,
            title=listing.title,
            description="Tout autre chose, que personne de la modération n’a lu jusqu’ici.",
            places=listing.places,
            radius_km=listing.radius_km,
            urgency=1,
        ),
        by=market.speaker(listing),
    )

    with pytest.raises(FieldError) as refused:
        moderation.decide(listing.id, A.APPROVE, by=moderator, version=version)
    assert refused.value.field == "version"


@pytest.mark.parametrize("action", A)
def test_the_moderator_of_another_territory_finds_nothing(market, action):
    market.open_territory()
    market.open_territory(LIFFRE_CORMIER)
    stranger = market.moderator(LIFFRE_CORMIER)
    listing = market.need(state=S.PENDING)

    with pytest.raises(NotFound):
        decide(listing, action, by=stranger)
    with pytest.raises(NotFound):
        desk.review(listing.id, by=stranger)
    assert waiting(stranger) == []


@pytest.mark.parametrize("action", A)
def test_somebody_who_moderates_nothing_finds_nothing(market, action):
    listing = market.need(state=S.PENDING)
    author = market.speaker(listing)

    with pytest.raises(NotFound):
        decide(listing, action, by=author)
    with pytest.raises(NotAllowed):
        desk.queue(by=author, filters=QueueFilters(), page=1)


def test_nobody_decides_on_a_listing_of_their_own_structure(market, moderator):
    firm = market.organisation(manager=moderator)
    listing = market.need(organisation=firm, state=S.PENDING)

    with pytest.raises(NotAllowed):
        decide(listing, A.APPROVE, by=moderator)

    assert waiting(moderator) == []
    seen = desk.review(listing.id, by=moderator)
    assert seen.is_own
    assert waiting(market.moderator()) == [listing.id]
    assert waiting(market.admin()) == [listing.id]


@pytest.mark.parametrize(("state", "action"), [(S.PUBLISHED, A.REMOVE), (S.PENDING, A.REJECT)])
def test_a_listing_taken_off_cancels_its_proposals_and_keeps_what_is_agreed(
    market, moderator, outbox, state, action
):
    offer = market.offer(capacity=2, state=state)
    proposed, agreed = market.match(offer=offer), market.match(offer=offer, state=MatchState.AGREED)

    decide(offer, action, by=moderator)

    assert db.session.get(Match, proposed.id).state is MatchState.CANCELLED
    assert db.session.get(Match, agreed.id).state is MatchState.AGREED
    other = market.speaker(db.session.get(Listing, proposed.need_id))
    assert "n’est plus disponible" in outbox.last(to=other.email).text


def test_past_decisions_are_shown_to_who_reads_the_listing_again(market, moderator):
    listing = market.need(state=S.PENDING)
    decide(listing, A.REQUEST_CHANGES, by=moderator)

    history = desk.review(listing.id, by=moderator).history

    assert [(past.action, past.moderator.id) for past in history] == [(A.REQUEST_CHANGES, moderator.id)]


def test_the_author_may_change_and_send_again_what_was_sent_back(market, moderator):
    listing = market.need(state=S.PENDING)
    decide(listing, A.REQUEST_CHANGES, by=moderator)

    listings.change(
        listing.id,
        ListingSheet(
            skill_id=listing.skill_id,
            level=listing.level,
            title="Vendre en ligne",
            description="Je veux apprendre à ouvrir une boutique en ligne pour mes confitures.",
            places=listing.places,
            radius_km=listing.radius_km,
            urgency=1,
        ),
        by=market.speaker(listing),
    )
    assert db.session.get(Listing, listing.id).state in (S.PENDING, S.PUBLISHED)
