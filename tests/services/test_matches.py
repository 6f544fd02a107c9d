"""The life of a match, as the two structures live it."""

from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import select

from marketplace import clock as site_clock
from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    DeclineReason,
    ExchangeCircle,
    Listing,
    ListingKind,
    ListingState,
    Match,
    MatchingRound,
    MatchOrigin,
    MatchState,
    MembershipState,
)
from marketplace.services import listings, matches, ranking
from marketplace.services.errors import (
    AlreadyMatched,
    CapacityReached,
    FieldError,
    InvalidTransition,
    NotAllowed,
    NotFound,
    PairRefused,
    TooManyAttempts,
)
from tests.support.queries import counted

S = MatchState
NEED, OFFER = ListingKind.NEED, ListingKind.OFFER
ACTS = {
    "accept": matches.accept,
    "decline": lambda match_id, by: matches.decline(match_id, by=by, reason=DeclineReason.NO_TIME),
    "cancel": matches.cancel,
    "complete": matches.complete,
}
# What each side can do, and what it makes of the match. An accepted match is accepted by the need's side.
ALLOWED = {
    (S.PROPOSED, NEED, "accept"): S.ACCEPTED,
    (S.PROPOSED, OFFER, "accept"): S.ACCEPTED,
    (S.PROPOSED, NEED, "decline"): S.DECLINED,
    (S.PROPOSED, OFFER, "decline"): S.DECLINED,
    (S.ACCEPTED, NEED, "accept"): S.ACCEPTED,  # a second click
    (S.ACCEPTED, OFFER, "accept"): S.AGREED,
    (S.ACCEPTED, OFFER, "decline"): S.DECLINED,
    (S.ACCEPTED, NEED, "cancel"): S.CANCELLED,
    (S.AGREED, NEED, "accept"): S.AGREED,
    (S.AGREED, OFFER, "accept"): S.AGREED,
    (S.AGREED, NEED, "cancel"): S.CANCELLED,
    (S.AGREED, OFFER, "cancel"): S.CANCELLED,
    (S.AGREED, NEED, "complete"): S.COMPLETED,
    (S.AGREED, OFFER, "complete"): S.COMPLETED,
}
REFUSED = [case for case in product(S, ListingKind, ACTS) if case not in ALLOWED]


def need_of(match):
    return db.session.get(Listing, match.need_id)


def offer_of(match):
    return db.session.get(Listing, match.offer_id)


def side_speaker(market, match, side):
    return market.speaker(need_of(match) if side is NEED else offer_of(match))


def propose(need, offer, *, by, message=""):
    return matches.propose(need.id, offer.id, by=by, reasons=ranking.reasons(need, offer), message=message)


def circle(market, firms):
    """Each firm helps the next, the last helps the first."""
    row = MatchingRound(started_at=site_clock.now(), finished_at=site_clock.now(), policy={}, figures={})
    db.session.add(row)
    db.session.flush()
    made = ExchangeCircle(round_id=row.id, size=len(firms))
    db.session.add(made)
    db.session.flush()
    return [
        market.match(
            offer=market.offer(organisation=helper),
            need=market.need(organisation=helped),
            origin=MatchOrigin.CIRCLE,
            round_id=row.id,
            circle_id=made.id,
        )
        for helper, helped in zip(firms, firms[1:] + firms[:1], strict=True)
    ]


@pytest.mark.parametrize(("state", "side", "act"), ALLOWED)
def test_a_side_may_do_what_the_state_allows(market, db_session, state, side, act):
    match = market.match(state=state)

    ACTS[act](match.id, by=side_speaker(market, match, side))

    assert db_session.get(Match, match.id).state is ALLOWED[state, side, act]


@pytest.mark.parametrize(("state", "side", "act"), REFUSED)
def test_a_side_may_do_nothing_else_and_nothing_changes(market, outbox, state, side, act):
    match = market.match(state=state)
    by = side_speaker(market, match, side)

    with pytest.raises(InvalidTransition):
        ACTS[act](match.id, by=by)

    db.session.rollback()
    assert db.session.get(Match, match.id).state is state
    assert outbox.all() == []


@pytest.mark.parametrize("act", ACTS)
def test_an_outsider_learns_nothing_of_a_match(market, act):
    match = market.match(state=S.AGREED)

    with pytest.raises(NotFound):
        ACTS[act](match.id, by=market.speaker(market.organisation()))


@pytest.mark.parametrize("act", ACTS)
def test_the_moderator_of_the_territory_does_not_answer_for_a_structure(market, act):
    market.open_territory()
    match = market.match(state=S.PROPOSED)

    with pytest.raises(NotFound):
        ACTS[act](match.id, by=market.moderator())


@pytest.mark.parametrize("act", ACTS)
def test_a_match_that_does_not_exist_is_not_found(market, act):
    with pytest.raises(NotFound):
        ACTS[act](2**31 - 1, by=market.user())


@pytest.mark.parametrize("act", ACTS)
def test_a_suspended_structure_does_nothing(market, clock, act):
    firm = market.organisation(suspended_at=clock.now)
    match = market.match(need=market.need(organisation=firm), state=S.PROPOSED)

    with pytest.raises(NotAllowed):
        ACTS[act](match.id, by=market.speaker(firm))


@pytest.mark.parametrize("act", ACTS)
def test_somebody_who_asked_to_join_does_not_answer_yet(market, act):
    firm = market.organisation()
    match = market.match(need=market.need(organisation=firm))
    asker = market.employee(firm, state=MembershipState.REQUESTED)

    with pytest.raises(NotFound):
        ACTS[act](match.id, by=asker)


def test_nobody_agrees_with_a_suspended_structure(market, db_session, clock, outbox):
    firm = market.organisation(suspended_at=clock.now)
    match = market.match(need=market.need(organisation=firm), state=S.ACCEPTED)

    with pytest.raises(InvalidTransition):
        matches.accept(match.id, by=side_speaker(market, match, OFFER))

    db_session.rollback()
    assert outbox.all() == []


@pytest.mark.parametrize("act", ["decline", "cancel"])
def test_a_match_that_ends_gives_its_places_back(market, db_session, act):
    state, side = (S.PROPOSED, OFFER) if act == "decline" else (S.AGREED, OFFER)
    match = market.match(state=state)

    ACTS[act](match.id, by=side_speaker(market, match, side))

    assert (need_of(match).live_matches, offer_of(match).live_matches) == (0, 0)


def test_a_decline_keeps_its_reason_and_tells_the_other_side(market, db_session, outbox):
    match = market.match()
    need, offer = need_of(match), offer_of(match)

    matches.decline(
        match.id, by=market.speaker(offer), reason=DeclineReason.TOO_FAR, comment="Trop loin l’hiver."
    )

    kept = db_session.get(Match, match.id)
    assert (kept.close_reason, kept.closed_side) == (DeclineReason.TOO_FAR, OFFER)
    told = outbox.last(to=market.speaker(need).email).text
    assert "C’est trop loin" in told
    assert "Trop loin l’hiver." in told
    assert outbox.to(market.speaker(offer).email) == []


def test_a_completed_exchange_fulfils_the_need_and_frees_the_offer(market, db_session, outbox):
    match = market.match(state=S.AGREED)
    need, offer = need_of(match), offer_of(match)

    matches.complete(match.id, by=market.speaker(need))

    assert (need.state, need.live_matches) == (ListingState.FULFILLED, 0)
    assert (offer.state, offer.live_matches, offer.completed_matches) == (ListingState.PUBLISHED, 0, 1)
    assert {mail.template for mail in outbox.all()} == {"match_completed"}
    assert len(outbox.all()) == 2


def test_an_offer_that_gave_all_it_promised_is_fulfilled(market):
    offer = market.offer(total_limit=1)
    match = market.match(offer=offer, state=S.AGREED)

    matches.complete(match.id, by=market.speaker(offer))

    assert offer_of(match).state is ListingState.FULFILLED


def test_contacts_reach_both_sides_once_both_have_accepted(market, outbox):
    helped = market.user("marie@boulangerie.example", name="Marie Levain", phone="06 11 22 33 44")
    helper = market.user("jean@jardin.example", name="Jean Semis", phone="06 55 66 77 88")
    need = market.need(organisation=market.organisation(manager=helped))
    offer = market.offer(organisation=market.organisation(manager=helper))
    match = market.match(need=need, offer=offer)

    matches.accept(match.id, by=helped)
    assert all("Marie" not in m.text + m.html + m.subject for m in outbox.to(helper.email))

    matches.accept(match.id, by=helper)
    to_helper, to_helped = outbox.last(helper.email), outbox.last(helped.email)
    for contact in ("Marie Levain", "marie@boulangerie.example", "06 11 22 33 44"):
        assert contact in to_helper.text
        assert contact in to_helper.html
    for contact in ("Jean Semis", "jean@jardin.example", "06 55 66 77 88"):
        assert contact in to_helped.text


def test_contacts_are_not_shown_before_nor_after_it_is_called_off(market):
    for state in (S.PROPOSED, S.ACCEPTED, S.CANCELLED, S.DECLINED, S.EXPIRED):
        match = market.match(state=state)
        assert matches.show(match.id, to=side_speaker(market, match, NEED)).people == ()

    match = market.match(state=S.AGREED)
    view = matches.show(match.id, to=side_speaker(market, match, NEED))
    assert view.people == [side_speaker(market, match, OFFER)]
    assert view.our_people == [side_speaker(market, match, NEED)]


def test_a_foreign_match_is_not_found(market):
    match = market.match()

    with pytest.raises(NotFound):
        matches.show(match.id, to=market.speaker(market.organisation()))


def test_asking_for_help_accepts_for_ones_own_side(market, db_session, outbox):
    need, offer = market.need(), market.offer()

    match = propose(need, offer, by=market.speaker(need), message="Plutôt le lundi.")

    assert (match.state, match.origin) == (S.ACCEPTED, MatchOrigin.PERSON)
    assert match.accepted_at(NEED)
    assert not match.accepted_at(OFFER)
    assert match.score == pytest.approx(match.explanation["score"])
    (mail,) = outbox.all()
    assert mail.recipient == market.speaker(offer).email
    assert "vous demande de l’aide" in mail.subject
    assert "Plutôt le lundi." in mail.text
    assert market.speaker(need).name not in mail.text + mail.html
    assert db_session.scalar(select(AuditEntry.action)) == "match.proposed"


def test_offering_help_accepts_for_the_side_of_the_offer(market, outbox):
    need, offer = market.need(), market.offer()

    match = propose(need, offer, by=market.speaker(offer))

    assert match.accepted_at(OFFER)
    assert "propose de vous aider" in outbox.last(to=market.speaker(need).email).subject


def test_a_need_with_a_live_match_takes_no_other(market, db_session):
    need, other = market.need(), market.offer()
    market.match(need=need)

    with pytest.raises(AlreadyMatched):
        propose(need, other, by=market.speaker(need))
    db_session.rollback()
    assert other.live_matches == 0


def test_an_offer_that_is_full_takes_no_other(market, db_session):
    offer, need = market.offer(capacity=1), market.need()
    market.match(offer=offer)

    with pytest.raises(CapacityReached):
        propose(need, offer, by=market.speaker(need))
    db_session.rollback()
    assert need.live_matches == 0


def test_an_offer_that_gave_all_it_promised_takes_no_other(market):
    offer, need = market.offer(capacity=2, total_limit=2, completed_matches=1), market.need()
    market.match(offer=offer)

    with pytest.raises(CapacityReached):
        propose(need, offer, by=market.speaker(need))


@pytest.mark.parametrize("state", [S.PROPOSED, S.ACCEPTED, S.AGREED, S.COMPLETED, S.DECLINED])
def test_a_pair_that_is_live_done_or_declined_is_not_proposed(market, state):
    need, offer = market.need(), market.offer(capacity=3)
    market.match(need=need, offer=offer, state=state)

    with pytest.raises(PairRefused):
        propose(need, offer, by=market.speaker(need))


def test_a_cancelled_pair_rests_before_it_is_proposed_again(market, clock):
    need, offer = market.need(), market.offer()
    market.match(need=need, offer=offer, state=S.CANCELLED)

    clock.move(days=29)
    with pytest.raises(PairRefused):
        propose(need, offer, by=market.speaker(need))

    clock.move(days=2)
    assert propose(need, offer, by=market.speaker(need)).state is S.ACCEPTED


def test_who_left_a_proposal_without_answer_may_take_it_up_and_the_other_may_not(market, clock):
    need, offer = market.need(), market.offer()
    asked = propose(need, offer, by=market.speaker(need))
    clock.move(days=11)
    matches.expire_due()

    with pytest.raises(PairRefused):
        propose(need, offer, by=market.speaker(need))
    assert matches.show(asked.id, to=market.speaker(offer)).may_take_up_again
    assert not matches.show(asked.id, to=market.speaker(need)).may_take_up_again
    assert propose(need, offer, by=market.speaker(offer)).state is S.ACCEPTED


def test_nobody_proposes_for_somebody_elses_listing(market):
    need, offer = market.need(), market.offer()

    with pytest.raises(NotFound):
        propose(need, offer, by=market.speaker(market.organisation()))


def test_two_listings_of_one_structure_are_not_paired(market):
    firm = market.organisation()
    need, offer = market.need(organisation=firm), market.offer(organisation=firm)
    why = ranking.reasons(need, market.offer())

    with pytest.raises(NotAllowed):
        matches.propose(need.id, offer.id, by=market.speaker(firm), reasons=why)


def test_a_need_does_not_stand_for_an_offer(market):
    need, other = market.need(), market.need()
    why = ranking.reasons(need, market.offer())

    with pytest.raises(NotFound):
        matches.propose(need.id, other.id, by=market.speaker(need), reasons=why)


@pytest.mark.parametrize(
    "state", [ListingState.PENDING, ListingState.PAUSED, ListingState.WITHDRAWN, ListingState.REMOVED]
)
def test_a_listing_that_does_not_show_is_not_there_to_be_asked(market, state):
    need, offer = market.need(), market.offer(state=state)

    with pytest.raises(NotFound):
        propose(need, offer, by=market.speaker(need))


def test_ones_own_listing_must_be_online(market):
    need, offer = market.need(state=ListingState.PAUSED), market.offer()

    with pytest.raises(InvalidTransition):
        propose(need, offer, by=market.speaker(need))


def test_a_listing_past_its_term_is_not_there_even_before_the_worker_expires_it(market, clock):
    need, offer = market.need(), market.offer(expires_at=clock.now + timedelta(days=1))
    clock.move(days=2)

    with pytest.raises(NotFound):
        propose(need, offer, by=market.speaker(need))


def test_a_suspended_structure_neither_asks_nor_is_asked(market, clock):
    suspended = market.organisation(suspended_at=clock.now)
    offer, theirs = market.offer(), market.need(organisation=suspended)

    with pytest.raises(NotAllowed):
        propose(theirs, offer, by=market.speaker(suspended))
    with pytest.raises(NotFound):
        propose(theirs, offer, by=market.speaker(offer))


@pytest.mark.parametrize(
    "text", ["Appelez le 06 12 34 56 78", "moi@structure.example", "voir www.exemple.fr"]
)
def test_no_contact_details_pass_by_a_message(market, db_session, text):
    need, offer = market.need(), market.offer()

    with pytest.raises(FieldError) as refused:
        propose(need, offer, by=market.speaker(need), message=text)
    assert refused.value.field == "message"

    match = market.match()
    with pytest.raises(FieldError):
        matches.decline(
            match.id, by=side_speaker(market, match, NEED), reason=DeclineReason.OTHER, comment=text
        )
    db_session.rollback()
    assert db_session.get(Match, match.id).state is S.PROPOSED


def test_nobody_floods_their_neighbours(market, monkeypatch):
    monkeypatch.setattr(matches, "PROPOSALS_A_DAY", 2)
    offer = market.offer(capacity=5)
    for _ in range(2):
        propose(market.need(), offer, by=market.speaker(offer))

    with pytest.raises(TooManyAttempts):
        propose(market.need(), offer, by=market.speaker(offer))


@pytest.mark.parametrize("state", [S.PROPOSED, S.ACCEPTED])
def test_a_proposal_without_answer_expires_after_ten_days_and_both_are_told(
    market, db_session, clock, outbox, state
):
    match = market.match(state=state)

    clock.move(days=9, hours=23)
    assert matches.expire_due() == 0
    clock.move(hours=1)
    assert matches.expire_due() == 1
    assert matches.expire_due() == 0

    assert db_session.get(Match, match.id).state is S.EXPIRED
    assert (need_of(match).live_matches, offer_of(match).live_matches) == (0, 0)
    assert {mail.recipient for mail in outbox.all()} == {
        side_speaker(market, match, side).email for side in ListingKind
    }


@pytest.mark.parametrize("state", [state for state in S if state not in (S.PROPOSED, S.ACCEPTED)])
def test_what_is_agreed_or_over_does_not_expire(market, clock, state):
    market.match(state=state)
    clock.move(days=30)

    assert matches.expire_due() == 0


def test_who_has_not_answered_after_five_days_is_reminded_once(market, clock, outbox):
    match = market.match(state=S.ACCEPTED)  # the need's side has answered

    clock.move(days=4)
    assert matches.remind_due() == 0
    clock.move(days=1)
    assert matches.remind_due() == 1
    clock.move(days=1)
    assert matches.remind_due() == 0

    assert [mail.recipient for mail in outbox.all()] == [side_speaker(market, match, OFFER).email]


def test_both_are_reminded_of_what_neither_answered(market, clock, outbox):
    market.match()
    clock.move(days=5)
    matches.remind_due()

    assert len(outbox.all()) == 2


def test_a_listing_withdrawn_cancels_its_proposals_and_keeps_what_is_agreed(market, db_session, outbox):
    offer = market.offer(capacity=2)
    proposed, agreed = market.match(offer=offer), market.match(offer=offer, state=S.AGREED)

    listings.withdraw(offer.id, by=market.speaker(offer))

    assert db_session.get(Match, proposed.id).state is S.CANCELLED
    assert db_session.get(Match, agreed.id).state is S.AGREED
    assert offer_of(agreed).live_matches == 1
    assert need_of(proposed).live_matches == 0
    told = outbox.last(to=market.speaker(need_of(proposed)).email)
    assert "n’est plus disponible" in told.text


def test_my_space_says_what_waits_for_me_first(market):
    offer = market.offer(capacity=5)
    me = market.speaker(offer)
    awaiting = market.match(offer=offer, state=S.ACCEPTED)
    agreed = market.match(offer=offer, state=S.AGREED)
    declined = market.match(offer=offer, state=S.DECLINED)

    space = matches.space(me)

    assert [view.match.id for view in space.awaiting] == [awaiting.id]
    assert [view.match.id for view in space.running] == [agreed.id]
    assert [view.match.id for view in space.past.items] == [declined.id]


def test_past_matches_come_in_pages(market):
    offer = market.offer(capacity=5)
    for _ in range(matches.PAST_SHOWN + 1):
        market.match(offer=offer, state=S.CANCELLED)
    me = market.speaker(offer)

    assert len(matches.space(me).past.items) == matches.PAST_SHOWN
    assert len(matches.space(me, past_page=2).past.items) == 1
    assert matches.space(me, past_page=99).past.number == 2


def test_my_space_asks_the_same_number_of_questions_whatever_it_holds(market, db_session):
    offer = market.offer(capacity=20)
    me = market.speaker(offer)
    market.match(offer=offer)
    with counted() as few:
        matches.space(me)
    for state in (S.PROPOSED, S.ACCEPTED, S.AGREED, S.DECLINED):
        for _ in range(3):
            market.match(offer=offer, state=state)
    db_session.expire_all()

    with counted() as many:
        matches.space(me)

    assert int(many) == int(few)


def test_somebody_without_a_structure_has_an_empty_space(market):
    space = matches.space(market.user())

    assert (space.awaiting, space.running, space.past.total) == ([], [], 0)


def test_a_circle_is_told_from_the_one_who_reads(market, db_session):
    firms = [market.organisation() for _ in range(3)]
    ring = circle(market, firms)

    view = matches.show(ring[-1].id, to=market.speaker(firms[0]))
    links = matches.circle_of(view)

    assert len(links) == 3
    assert (links[0].i_help, links[0].match.offer_organisation_id) == (True, firms[0].id)
    assert (links[-1].i_am_helped, links[-1].match.need_organisation_id) == (True, firms[0].id)
    assert [link.match.need_organisation_id for link in links[:-1]] == [
        link.match.offer_organisation_id for link in links[1:]
    ]


def test_a_match_outside_a_circle_has_none(market):
    match = market.match()

    assert matches.circle_of(matches.show(match.id, to=side_speaker(market, match, NEED))) == []
