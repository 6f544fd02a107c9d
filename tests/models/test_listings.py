"""Listings: the moves that their life allows, and the rows that the database refuses."""

from itertools import product

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from marketplace.extensions import db
from marketplace.models import (
    InvalidTransition,
    Listing,
    ListingDraft,
    ListingKind,
    ListingSkill,
    ListingState,
)
from tests.support.refusals import FOREIGN_KEY, refused

# PRODUCT.md, "Life of a listing": each state and the states it may become.
LIFE = {
    "draft": "pending published withdrawn",
    "pending": "published changes_requested rejected withdrawn",
    "changes_requested": "pending published withdrawn",
    "published": "pending paused fulfilled expired withdrawn removed",
    "paused": "pending published fulfilled expired withdrawn removed",
    "expired": "pending published withdrawn",
    "fulfilled": "",
    "withdrawn": "",
    "rejected": "published",
    "removed": "published",
}
MOVES = list(product(ListingState, ListingState))
ALLOWED = [(source, target) for source, target in MOVES if target in LIFE[source].split()]


@pytest.mark.parametrize(("source", "target"), ALLOWED)
def test_a_listing_goes_through_its_life(source, target):
    listing = Listing(state=source)
    listing.transition(target)
    assert listing.state is target


@pytest.mark.parametrize(("source", "target"), [move for move in MOVES if move not in ALLOWED])
def test_a_listing_makes_no_other_move_and_stays_what_it_is(source, target):
    listing = Listing(id=7, state=source)
    with pytest.raises(InvalidTransition, match=f"listing 7: {source} → {target}") as refusal:
        listing.transition(target)
    assert (listing.state, refusal.value.source, refusal.value.target) == (source, source, target)


def test_the_opposite_of_a_need_is_an_offer_and_back():
    assert [kind.opposite for kind in ListingKind] == [ListingKind.OFFER, ListingKind.NEED]


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"level": 0}, "level_bounds"),
        ({"level": 5}, "level_bounds"),
        ({"places": 0}, "places_bounds"),
        ({"places": 8}, "places_bounds"),
        ({"radius_km": -1}, "radius_bounds"),
        ({"radius_km": 201}, "radius_bounds"),
        ({"availability": -1}, "availability_bounds"),
        ({"availability": 1 << 14}, "availability_bounds"),
        ({"capacity": 0}, "capacity_bounds"),
        ({"capacity": 51}, "capacity_bounds"),
        ({"total_limit": 0}, "total_limit_bounds"),
        ({"competitor_radius_km": -1}, "competitor_bounds"),
        ({"competitor_radius_km": 201}, "competitor_bounds"),
        ({"description": "x" * 3001}, "description_length"),
    ],
)
def test_an_offer_outside_its_bounds_is_refused(market, fields, constraint):
    with refused(constraint):
        market.offer(**fields)


def test_a_title_that_is_too_long_is_refused(market):
    with refused("title_length|value too long", error=DBAPIError):  # PostgreSQL asks the type first
        market.offer(title="x" * 101)


def test_an_offer_at_its_bounds_is_kept(market):
    low = market.offer(level=1, places=1, radius_km=0, availability=0, capacity=1, competitor_radius_km=0)
    high = market.offer(
        level=4,
        places=7,
        radius_km=200,
        availability=(1 << 14) - 1,
        capacity=50,
        competitor_radius_km=200,
        title="🥖" * 100,
        description="é" * 3000,
    )
    assert (low.capacity, high.capacity, len(high.title), len(high.description)) == (1, 50, 100, 3000)


@pytest.mark.parametrize("urgency", [0, 4])
def test_the_urgency_of_a_need_is_bounded(market, urgency):
    with refused("urgency_bounds"):
        market.need(urgency=urgency)


def test_a_need_says_how_urgent_it_is(market):
    with refused("urgency_of_needs"):
        market.need(urgency=None)


def test_an_offer_is_not_urgent(market):
    with refused("urgency_of_needs"):
        market.offer(urgency=1)


@pytest.mark.parametrize("fields", [{"capacity": 2}, {"total_limit": 1}])
def test_a_need_is_for_one_exchange(market, fields):
    with refused("need_capacity"):
        market.need(**fields)


def test_only_an_offer_is_permanent(market):
    assert market.offer(is_permanent=True).is_permanent
    with refused("permanent_offers"):
        market.need(is_permanent=True)


@pytest.mark.parametrize("point", [{"lat": None}, {"lon": None}])
def test_half_a_point_is_refused(market, point):
    with refused("point_whole"):
        market.need(**point)


@pytest.mark.parametrize("state", ["published", "paused", "fulfilled", "expired"])
@pytest.mark.parametrize("missing", ["published_at", "expires_at"])
def test_what_was_shown_has_the_date_it_was_and_its_term(market, state, missing):
    with refused("published_has_dates"):
        market.need(state=ListingState(state), **{missing: None})


def test_what_waits_for_a_moderator_has_the_date_it_was_sent(market):
    with refused("pending_has_date"):
        market.need(state=ListingState.PENDING, submitted_at=None)


def test_no_place_is_given_beyond_the_capacity(market):
    offer = market.offer(capacity=2, live_matches=2)
    with refused("live_within_capacity"):
        take_place(offer)


def test_no_place_is_given_back_that_was_not_taken(market):
    offer = market.offer(capacity=2)
    with refused("live_within_capacity"):
        take_place(offer, -1)


def test_no_place_is_given_beyond_the_limit_in_all(market):
    offer = market.offer(capacity=5, total_limit=3, live_matches=1, completed_matches=2)
    with refused("total_within_limit"):
        take_place(offer)


def take_place(listing: Listing, places: int = 1) -> None:
    taken = update(Listing).where(Listing.id == listing.id).values(live_matches=Listing.live_matches + places)
    db.session.execute(taken)


def test_a_listing_has_at_most_two_further_skills(market):
    market.need(extra_skills=["tableur", "paie-en-ligne"])
    assert db.session.query(ListingSkill).count() == 2
    with refused("rank_bounds"):
        market.need(extra_skills=["tableur", "paie-en-ligne", "site-vitrine"])


def test_a_further_skill_is_named_once(market):
    with refused("listing_skill.listing_id, listing_skill.skill_id|uq_listing_skill_listing_id_skill_id"):
        market.need(extra_skills=["tableur", "tableur"])


def test_two_further_skills_do_not_share_a_rank(market):
    need = market.need(extra_skills=["tableur"])
    with refused("listing_skill.listing_id, listing_skill.rank|pk_listing_skill"):
        db.session.execute(
            text("INSERT INTO listing_skill (listing_id, rank, skill_id) VALUES (:listing, 1, :skill)"),
            {"listing": need.id, "skill": market.skill("paie-en-ligne").id},
        )


def test_the_further_skills_of_a_listing_go_with_it(market):
    need = market.need(extra_skills=["tableur"])
    db.session.execute(text("DELETE FROM listing WHERE id = :id"), {"id": need.id})
    db.session.commit()
    assert db.session.query(ListingSkill).count() == 0


def test_a_listing_with_a_match_cannot_be_deleted(market):
    match = market.match()
    with refused(FOREIGN_KEY):
        db.session.execute(text("DELETE FROM listing WHERE id = :id"), {"id": match.need_id})
        db.session.commit()


def test_a_listing_outlives_its_author(market):
    need = market.need()
    db.session.execute(text('DELETE FROM "user" WHERE id = :id'), {"id": need.author_id})
    db.session.commit()
    db.session.refresh(need)
    assert need.author_id is None


def test_a_person_keeps_one_draft_of_each_kind(market):
    user = market.user()
    keep_draft("a", user.id)
    with refused("listing_draft.user_id, listing_draft.kind|uq_listing_draft_user_id_kind"):
        keep_draft("b", user.id)


def test_visitors_keep_as_many_drafts_as_they_are(market):
    keep_draft("a", None)
    keep_draft("b", None)
    with refused("listing_draft.token|uq_listing_draft_token"):
        keep_draft("b", None)


def keep_draft(token: str, user_id: int | None) -> None:
    db.session.add(ListingDraft(token=token, kind=ListingKind.NEED, user_id=user_id, data={}))
    db.session.commit()
