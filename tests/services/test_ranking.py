"""The best counterparts of a listing, and why."""

import pytest

from marketplace.models import ListingState, MatchState, Organisation, Place
from marketplace.services import ranking
from marketplace.services.errors import PairExcluded
from tests.support.queries import counted

RENNES, CESSON, LIFFRE, PARIS = "35238", "35051", "35152", "75056"


def test_nearer_offers_come_first(market):
    need = market.need(organisation=market.organisation(commune=RENNES), radius_km=60)
    far = market.offer(organisation=market.organisation(commune=LIFFRE), radius_km=60)
    near = market.offer(organisation=market.organisation(commune=CESSON), radius_km=60)

    ranked = ranking.best_for(need)

    assert [r.listing.id for r in ranked] == [near.id, far.id]
    assert ranked[0].reasons.score > ranked[1].reasons.score


def test_the_same_skill_comes_before_a_related_one(market):
    need = market.need(skill="site-vitrine")
    related = market.offer(skill="nom-de-domaine")
    same = market.offer(skill="site-vitrine")

    assert [r.listing.id for r in ranking.best_for(need)] == [same.id, related.id]


def test_a_further_skill_counts_too(market):
    need = market.need(skill="site-vitrine")
    offer = market.offer(skill="tableur", extra_skills=["site-vitrine"])

    assert [r.listing.id for r in ranking.best_for(need)] == [offer.id]


def test_an_offer_is_shown_the_needs_it_could_serve(market):
    offer = market.offer(capacity=1)
    needs = {market.need().id, market.need().id}

    assert {r.listing.id for r in ranking.best_for(offer)} == needs


def test_no_more_than_asked_for(market):
    need = market.need()
    for _ in range(3):
        market.offer()

    assert len(ranking.best_for(need, limit=2)) == 2


def test_a_listing_without_free_place_has_no_counterpart(market):
    need = market.need()
    market.match(need=need)
    market.offer()

    assert ranking.best_for(need) == []


def test_remote_offers_reach_any_distance(market):
    need = market.need(organisation=market.organisation(commune=RENNES), places=int(Place.REMOTE))
    offer = market.offer(organisation=market.organisation(commune=PARIS), places=int(Place.REMOTE))

    (ranked,) = ranking.best_for(need)

    assert ranked.listing.id == offer.id
    assert ranked.reasons.remote


@pytest.mark.parametrize(
    ("commune", "fields", "rule"),
    [
        (CESSON, {"skill": "paie-en-ligne"}, "skill"),
        (CESSON, {"level": 1}, "level"),
        (PARIS, {}, "radius"),
        (CESSON, {"places": int(Place.REMOTE)}, "places"),
    ],
)
def test_an_excluded_pair_names_its_rule(market, commune, fields, rule):
    need = market.need(
        level=4, places=int(Place.HELPER | Place.LEARNER), organisation=market.organisation(commune=RENNES)
    )
    offer = market.offer(**{"level": 4, "organisation": market.organisation(commune=commune), **fields})

    with pytest.raises(PairExcluded) as refused:
        ranking.reasons(need, offer)

    assert rule in refused.value.rules


def test_competitors_nearby_are_kept_apart_when_one_asks(market):
    baker = market.organisation(commune=RENNES, sector="10.71C")
    rival = market.organisation(commune=CESSON, sector="10.71C")
    need = market.need(organisation=baker, avoid_competitors=True, competitor_radius_km=20)
    offer = market.offer(organisation=rival)

    with pytest.raises(PairExcluded) as refused:
        ranking.reasons(need, offer)

    assert "competitor" in refused.value.rules


def test_ones_own_listings_are_weighed_against_somebody_elses_best_first(market):
    firm = market.organisation()
    related = market.need(organisation=firm, skill="nom-de-domaine")
    same = market.need(organisation=firm, skill="site-vitrine")
    unfit = market.need(organisation=firm, skill="paie-en-ligne")

    choices = ranking.choices(market.offer(skill="site-vitrine"), by=market.speaker(firm))

    assert [own.listing.id for own in choices.fitting] == [same.id, related.id]
    assert [(own.listing.id, own.rules) for own in choices.excluded] == [(unfit.id, ("skill",))]


def test_weighing_gives_the_reasons_that_a_proposal_keeps(market):
    need, offer = market.need(), market.offer()

    (own,) = ranking.choices(need, by=market.speaker(offer)).fitting

    assert own.reasons == ranking.reasons(need, offer)


@pytest.mark.parametrize("state", [ListingState.PAUSED, ListingState.DRAFT, ListingState.PENDING])
def test_ones_own_listing_that_is_not_online_says_so(market, state):
    need = market.need(state=state)

    (own,) = ranking.choices(market.offer(), by=market.speaker(need)).excluded

    assert own.rules == ("offline",)


def test_ones_own_need_that_is_taken_says_so(market):
    need = market.need()
    market.match(need=need)

    (own,) = ranking.choices(market.offer(), by=market.speaker(need)).excluded

    assert own.rules == ("matched",)


def test_a_pair_that_met_already_says_so(market):
    need, offer = market.need(), market.offer(capacity=2)
    market.match(need=need, offer=offer, state=MatchState.DECLINED)

    (own,) = ranking.choices(offer, by=market.speaker(need)).excluded

    assert own.rules == ("met",)


def test_nobody_elses_listing_is_offered_as_ones_own(market):
    market.need()

    choices = ranking.choices(market.offer(), by=market.speaker(market.organisation()))

    assert (choices.fitting, choices.excluded) == ([], [])


def test_weighing_asks_the_same_number_of_questions_whatever_one_has(market, db_session):
    need, offer = market.need(), market.offer()
    firm = db_session.get(Organisation, need.organisation_id)
    person = market.speaker(need)
    ranking.choices(offer, by=person)  # skills and sectors are read once a process
    db_session.expire_all()
    with counted() as few:
        ranking.choices(offer, by=person)
    for _ in range(5):
        market.need(organisation=firm)
    db_session.expire_all()

    with counted() as many:
        ranking.choices(offer, by=person)

    assert int(many) == int(few)
