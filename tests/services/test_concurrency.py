"""Acts at the same instant: each in its thread, with its connection, as two requests are."""

import pytest
from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import (
    DecisionAction,
    DecisionGround,
    DeclineReason,
    InvalidTransition,
    Listing,
    ListingState,
    Match,
    MatchState,
    User,
)
from marketplace.models.matches import LIVE
from marketplace.services import listings, matches, moderation, ranking, rounds
from marketplace.services.errors import ServiceError
from marketplace.services.work import unit_of_work
from tests.support.threads import at_once, in_a_thread

# What a service may answer to somebody who came too late: each has its page.
REFUSALS = (ServiceError, InvalidTransition)


def proposing(need, offer, by):
    why = ranking.reasons(need, offer)
    ids = need.id, offer.id, by.id

    def act():
        return matches.propose(ids[0], ids[1], by=db.session.get(User, ids[2]), reasons=why)

    return act


def by_id(act, subject_id, user, **more):
    """Return the act as a request does it: with a person of its own session."""
    user_id = user.id
    return lambda: act(subject_id, by=db.session.get(User, user_id), **more)


def errors_of(outcomes):
    return [outcome for outcome in outcomes if isinstance(outcome, Exception)]


def assert_only_refusals(outcomes):
    unexpected = [error for error in errors_of(outcomes) if not isinstance(error, REFUSALS)]
    assert unexpected == []


def assert_places_hold():
    """Each listing counts its live matches right, within its capacity; no need has two."""
    db.session.rollback()
    for listing in db.session.scalars(select(Listing)):
        live = db.session.scalar(
            select(func.count())
            .select_from(Match)
            .where((Match.need_id == listing.id) | (Match.offer_id == listing.id), Match.state.in_(LIVE))
        )
        assert listing.live_matches == live <= listing.capacity


def test_the_last_place_goes_to_one_of_those_who_ask_at_once(app, market):
    offer = market.offer(capacity=2)
    needs = [market.need() for _ in range(6)]

    outcomes = at_once(app, *(proposing(need, offer, market.speaker(need)) for need in needs))

    assert_only_refusals(outcomes)
    assert len(outcomes) - len(errors_of(outcomes)) == 2
    assert_places_hold()


def test_a_need_asked_by_several_at_once_gets_one_match(app, market):
    need = market.need()
    offers = [market.offer() for _ in range(5)]

    outcomes = at_once(app, *(proposing(need, offer, market.speaker(offer)) for offer in offers))

    assert_only_refusals(outcomes)
    assert len(errors_of(outcomes)) == 4
    assert_places_hold()


def test_two_structures_that_propose_to_each_other_at_once_make_one_match(app, market):
    need, offer = market.need(), market.offer(capacity=3)

    outcomes = at_once(
        app, *(proposing(need, offer, market.speaker(side)) for side in (need, offer, need, offer))
    )

    assert_only_refusals(outcomes)
    assert db.session.scalar(select(func.count()).select_from(Match)) == 1
    assert_places_hold()


def test_both_sides_accept_at_once_and_agree_with_one_mail_each(app, market, outbox):
    match = market.match()
    need, offer = db.session.get(Listing, match.need_id), db.session.get(Listing, match.offer_id)
    people = [market.speaker(need), market.speaker(offer)]

    outcomes = at_once(app, *(by_id(matches.accept, match.id, person) for person in people))

    assert errors_of(outcomes) == []
    db.session.rollback()
    assert db.session.get(Match, match.id).state is MatchState.AGREED
    agreed = [mail.recipient for mail in outbox.all() if mail.template == "match_agreed"]
    assert sorted(agreed) == sorted(person.email for person in people)


def test_two_colleagues_who_accept_at_once_accept_once(app, market):
    firm = market.organisation()
    match = market.match(need=market.need(organisation=firm))
    people = [market.speaker(firm), market.employee(firm)]

    outcomes = at_once(app, *(by_id(matches.accept, match.id, person) for person in people))

    assert errors_of(outcomes) == []
    db.session.rollback()
    assert db.session.get(Match, match.id).state is MatchState.ACCEPTED


def test_accepting_and_declining_at_once_ends_in_one_of_both(app, market):
    firm = market.organisation()
    match = market.match(offer=market.offer(organisation=firm), state=MatchState.ACCEPTED)
    one, other = market.speaker(firm), market.employee(firm)

    outcomes = at_once(
        app,
        by_id(matches.accept, match.id, one),
        by_id(matches.decline, match.id, other, reason=DeclineReason.NO_TIME),
    )

    assert_only_refusals(outcomes)
    db.session.rollback()
    assert db.session.get(Match, match.id).state in (MatchState.AGREED, MatchState.DECLINED)
    assert_places_hold()


def test_withdrawing_an_offer_while_its_proposals_are_accepted_never_deadlocks(app, market):
    offer = market.offer(capacity=4)
    older = [market.match(offer=offer) for _ in range(2)]
    newer_need = market.need()
    found = [*older, market.match(need=newer_need, offer=offer)]
    accepting = [
        by_id(matches.accept, match.id, market.speaker(db.session.get(Listing, match.need_id)))
        for match in found
    ]

    outcomes = at_once(app, by_id(listings.withdraw, offer.id, market.speaker(offer)), *accepting)

    assert_only_refusals(outcomes)
    db.session.rollback()
    assert db.session.get(Listing, offer.id).state is ListingState.WITHDRAWN
    assert {db.session.get(Match, match.id).state for match in found} == {MatchState.CANCELLED}
    assert_places_hold()


def test_both_listings_of_a_proposal_withdrawn_at_once_free_their_places_once(app, market):
    pairs = [market.match() for _ in range(3)]
    acts = []
    for match in pairs:
        for key in (match.need_id, match.offer_id):
            acts.append(by_id(listings.withdraw, key, market.speaker(db.session.get(Listing, key))))

    outcomes = at_once(app, *acts)

    assert errors_of(outcomes) == []
    assert_places_hold()


def test_a_round_runs_while_people_propose(app, market):
    needs = [market.need() for _ in range(6)]
    offers = [market.offer(capacity=2) for _ in range(3)]
    proposals = [
        proposing(need, offer, market.speaker(need)) for need, offer in zip(needs, offers * 2, strict=True)
    ]

    outcomes = at_once(app, rounds.run, *proposals, rounds.run)

    assert_only_refusals(outcomes)
    assert_places_hold()


def run_a_round_that_waits_for_nobody():
    connection = db.session.connection()
    connection.exec_driver_sql("SET lock_timeout = '5s'")
    db.session.commit()
    try:
        return rounds.run()
    finally:
        db.session.rollback()
        db.session.connection().exec_driver_sql("RESET lock_timeout")
        db.session.commit()


@pytest.mark.parametrize("app", ["postgres"], indirect=True)  # SQLite lets one write at a time
def test_a_round_does_not_wait_for_who_holds_a_listing_that_it_leaves_alone(app, market):
    market.need()
    market.offer()
    lonely = market.need(skill="tableur").id

    with unit_of_work() as work:  # they may wait for a listing of the round: neither would ever go on
        work.lock(Listing, lonely)
        report = in_a_thread(app, run_a_round_that_waits_for_nobody)

    assert report.written == 1


def test_answers_and_expiry_at_once_end_each_match_once(app, market, clock):
    found = [market.match() for _ in range(4)]
    acts = [
        by_id(
            matches.decline,
            match.id,
            market.speaker(db.session.get(Listing, match.need_id)),
            reason=DeclineReason.NO_TIME,
        )
        for match in found
    ]
    clock.move(days=11)

    outcomes = at_once(app, matches.expire_due, matches.expire_due, *acts)

    assert_only_refusals(outcomes)
    db.session.rollback()
    ended = {db.session.get(Match, match.id).state for match in found}
    assert ended <= {MatchState.DECLINED, MatchState.EXPIRED}
    assert_places_hold()


def test_several_workers_remind_once(app, market, clock, outbox):
    market.match()
    clock.move(days=6)

    at_once(app, *[matches.remind_due] * 3)

    assert len(outbox.all()) == 2


@pytest.mark.parametrize("second", [DecisionAction.APPROVE, DecisionAction.REJECT], ids=["same", "opposite"])
def test_two_moderators_decide_at_once_and_one_decision_stands(app, market, outbox, second):
    market.open_territory()
    listing = market.need(state=ListingState.PENDING)
    version = moderation.version_of(listing)
    reasons = {"ground": DecisionGround.UNCLEAR, "facts": "Le sujet n’est pas dit."}

    outcomes = at_once(
        app,
        by_id(
            moderation.decide, listing.id, market.moderator(), action=DecisionAction.APPROVE, version=version
        ),
        by_id(moderation.decide, listing.id, market.moderator(), action=second, version=version, **reasons),
    )

    assert_only_refusals(outcomes)
    assert len(errors_of(outcomes)) == 1
    assert len(outbox.all()) == 1
