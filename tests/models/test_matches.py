"""Matches: the moves that their life allows, and the rows that the database refuses."""

from itertools import product

import pytest
from sqlalchemy import text

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    ExchangeCircle,
    InvalidTransition,
    ListingKind,
    Match,
    MatchingRound,
    MatchOrigin,
    MatchState,
)
from tests.support.refusals import FOREIGN_KEY, refused

# PRODUCT.md, "Life of a match": each state and the states it may become.
LIFE = {
    "proposed": "accepted declined expired cancelled",
    "accepted": "agreed declined expired cancelled",
    "agreed": "completed cancelled",
    "completed": "",
    "declined": "",
    "expired": "",
    "cancelled": "",
}
MOVES = list(product(MatchState, MatchState))
ALLOWED = [(source, target) for source, target in MOVES if target in LIFE[source].split()]
LIVE = ["proposed", "accepted", "agreed"]
ONE_LIVE_MATCH = "UNIQUE constraint failed: match.need_id$|ix_match_live_need"
ONE_PAIR = "UNIQUE constraint failed: match.need_id, match.offer_id|ix_match_pair"


@pytest.mark.parametrize(("source", "target"), ALLOWED)
def test_a_match_goes_through_its_life(source, target):
    match = Match(state=source)
    match.transition(target)
    assert match.state is target


@pytest.mark.parametrize(("source", "target"), [move for move in MOVES if move not in ALLOWED])
def test_a_match_makes_no_other_move_and_stays_what_it_is(source, target):
    match = Match(id=7, state=source)
    with pytest.raises(InvalidTransition, match=f"match 7: {source} → {target}"):
        match.transition(target)
    assert match.state is source


@pytest.mark.parametrize("state", MatchState)
def test_a_match_is_live_until_it_is_closed(state):
    assert Match(state=state).is_live == (state in LIVE)


def test_each_side_accepts_for_itself():
    match = Match(need_accepted_at=clock.now())
    assert match.accepted_at(ListingKind.NEED) is not None
    assert match.accepted_at(ListingKind.OFFER) is None


@pytest.mark.parametrize("first", LIVE)
@pytest.mark.parametrize("second", LIVE)
def test_a_need_has_one_live_match(market, first, second):
    need = market.need()
    market.match(need=need, state=MatchState(first))
    need.live_matches = 0  # so that the index alone is asked
    with refused(ONE_LIVE_MATCH):
        market.match(need=need, state=MatchState(second))


@pytest.mark.parametrize("closed", ["declined", "expired", "cancelled"])
def test_a_need_whose_match_is_closed_is_free_for_another(market, closed):
    need = market.need()
    market.match(need=need, state=MatchState(closed))
    assert market.match(need=need).is_live


@pytest.mark.parametrize("done", ["completed", "declined"])
def test_a_pair_that_is_done_or_was_declined_never_comes_back(market, done):
    need, offer = market.need(), market.offer()
    market.match(need=need, offer=offer, state=MatchState(done))
    with refused(ONE_PAIR):
        market.match(need=need, offer=offer)


@pytest.mark.parametrize("unanswered", ["expired", "cancelled"])
def test_a_pair_that_got_no_answer_may_come_back(market, unanswered):
    need, offer = market.need(), market.offer()
    market.match(need=need, offer=offer, state=MatchState(unanswered))
    assert market.match(need=need, offer=offer).is_live


def test_an_offer_serves_several_needs_within_its_capacity(market):
    offer = market.offer(capacity=2)
    market.match(offer=offer)
    market.match(offer=offer)
    with refused("live_within_capacity"):
        market.match(offer=offer)


def test_a_structure_is_not_paired_with_itself(market):
    organisation = market.organisation()
    with refused("two_organisations"):
        market.match(
            need=market.need(organisation=organisation), offer=market.offer(organisation=organisation)
        )


def test_a_match_names_the_structures_of_its_listings(market):
    other = market.organisation()
    with refused(FOREIGN_KEY):
        market.match(need_organisation_id=other.id)


def test_two_needs_are_not_paired(market):
    with refused(FOREIGN_KEY):
        market.match(offer=market.need())


def test_an_offer_does_not_stand_for_a_need_even_when_it_says_so(market):
    with refused("a_need_and_an_offer"):
        market.match(need=market.offer(), need_kind=ListingKind.OFFER)


@pytest.mark.parametrize("state", ["agreed", "completed"])
@pytest.mark.parametrize("missing", ["need_accepted_at", "offer_accepted_at"])
def test_what_is_agreed_was_accepted_by_both(market, state, missing):
    with refused("agreed_by_both"):
        market.match(state=MatchState(state), **{missing: None})


@pytest.mark.parametrize("too_many_or_few", [{"need_accepted_at": None}, {"offer_accepted_at": clock.now()}])
def test_what_is_accepted_was_accepted_by_one_side(market, too_many_or_few):
    with refused("accepted_by_one"):
        market.match(state=MatchState.ACCEPTED, **too_many_or_few)


@pytest.mark.parametrize("side", ["need_accepted_at", "offer_accepted_at"])
def test_what_is_only_proposed_was_accepted_by_nobody(market, side):
    with refused("proposed_by_none"):
        market.match(state=MatchState.PROPOSED, **{side: clock.now()})


@pytest.mark.parametrize("missing", ["close_reason", "closed_side"])
def test_what_is_declined_says_why_and_by_whom(market, missing):
    with refused("declined_has_reason"):
        market.match(state=MatchState.DECLINED, **{missing: None})


@pytest.mark.parametrize("state", ["completed", "declined", "expired", "cancelled"])
def test_what_is_closed_has_the_date_it_was(market, state):
    with refused("closed_has_date"):
        market.match(state=MatchState(state), closed_at=None)


def test_what_is_live_is_not_closed(market):
    with refused("closed_has_date"):
        market.match(closed_at=clock.now())


@pytest.mark.parametrize("score", [0.0, -0.1, 1.01])
def test_a_score_is_between_nothing_and_one(market, score):
    with refused("score_bounds"):
        market.match(score=score)


def test_a_match_of_a_circle_names_it(market):
    with refused("circle_of_origin"):
        market.match(origin=MatchOrigin.CIRCLE)


def test_a_match_outside_a_circle_names_none(market):
    with refused("circle_of_origin"):
        market.match(origin=MatchOrigin.ROUND, circle_id=circle().id)


@pytest.mark.parametrize("size", [1, 5])
def test_a_circle_has_two_to_four_structures(market, size):
    with refused("size_bounds"):
        circle(size)


def circle(size: int = 2) -> ExchangeCircle:
    now = clock.now()
    matching_round = MatchingRound(started_at=now, finished_at=now, policy={}, figures={})
    db.session.add(matching_round)
    db.session.flush()
    made = ExchangeCircle(round_id=matching_round.id, size=size)
    db.session.add(made)
    db.session.commit()
    return made


def test_a_match_outlives_the_person_who_started_it(market):
    match = market.match(started_by_id=market.user().id)
    db.session.execute(text('DELETE FROM "user" WHERE id = :id'), {"id": match.started_by_id})
    db.session.commit()
    db.session.refresh(match)
    assert match.started_by_id is None
