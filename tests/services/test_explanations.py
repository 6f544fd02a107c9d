"""Why a need has nobody: what stands against it now, what would change it, what the last round decided."""

import pytest

from marketplace.models import DeclineReason, LeftAlone, Listing, ListingState, Place, RoundOutcome
from marketplace.services import explanations, listings, live_index, matches, rounds
from marketplace.services.errors import NotFound
from tests.support.builders import CESSON, LIFFRE, PARIS, RENNES


@pytest.fixture(params=["memory", "database"])
def from_either(request, monkeypatch):
    """Explain from the market in memory, and from the database while it is not there."""
    if request.param == "database":
        monkeypatch.setattr(live_index, "of_near_skills", lambda *_, **__: None)


def at(market, commune):
    return market.organisation(commune=commune)


def test_an_offer_out_of_reach_says_how_far_it_is_and_what_radius_reaches_it(market, from_either):
    need = market.need(organisation=at(market, RENNES), radius_km=10)
    market.offer(organisation=at(market, LIFFRE), radius_km=100)

    now = explanations.why(need).now

    assert now.obstacle == "radius"
    assert 10 < now.nearest_km < 30
    (step,) = now.radius
    assert (step.value - 1 < now.nearest_km <= step.value, step.offers) == (True, 1)


def test_an_exchange_at_a_distance_would_reach_it_too(market, from_either):
    need = market.need(organisation=at(market, RENNES))
    market.offer(organisation=at(market, PARIS), places=int(Place.REMOTE))

    assert explanations.why(need).now.remote == 1


def test_a_lower_level_would_be_found(market, from_either):
    need = market.need(level=4)
    market.offer(level=2)

    now = explanations.why(need).now

    assert (now.obstacle, [(step.value, step.offers) for step in now.level]) == ("level", [(3, 1)])


def test_another_skill_of_the_subject_is_told_by_its_name(market, from_either):
    need = market.need(skill="site-vitrine")
    market.offer(skill="avis-en-ligne")

    told = explanations.why(need)

    (step,) = told.now.skills
    assert (told.skills[step.value].slug, step.offers) == ("avis-en-ligne", 1)


def test_full_offers_are_told_from_none(market, from_either):
    need = market.need()
    market.match(offer=market.offer(capacity=1))

    assert explanations.why(need).now.obstacle == "taken"


def test_a_declined_offer_is_told_from_none(market, from_either):
    need, offer = market.need(), market.offer()
    rounds.run()
    (match,) = matches.space(market.speaker(offer)).awaiting
    matches.decline(match.match.id, by=market.speaker(offer), reason=DeclineReason.NO_TIME)

    assert explanations.why(need).now.obstacle == "closed"


def test_a_need_that_is_not_online_takes_no_part(market, from_either):
    assert explanations.why(market.need(state=ListingState.PAUSED)) is None


def test_the_round_keeps_who_got_the_place_and_what_it_would_lose(market, db_session):
    firm = market.organisation
    near = market.need(organisation=firm(commune=CESSON))
    far = market.need(organisation=firm(commune=LIFFRE))
    offer = market.offer(organisation=firm(commune=CESSON), capacity=1)

    report = rounds.run()

    told = explanations.why(db_session.get(Listing, far.id))
    (lost,) = told.lost
    assert told.outcome.reason is LeftAlone.OUTBID
    assert (lost.offer.id, [need.id for need in lost.winners]) == (offer.id, [near.id])
    assert lost.loss > 0
    assert report.left_alone == {"outbid": 1}


def test_a_winner_that_left_is_not_named(market, db_session):
    near = market.need(organisation=at(market, CESSON))
    far = market.need(organisation=at(market, LIFFRE))
    market.offer(organisation=at(market, CESSON), capacity=1)
    rounds.run()

    listings.withdraw(near.id, by=market.speaker(near))

    (lost,) = explanations.why(db_session.get(Listing, far.id)).lost
    assert lost.winners == []


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        ({"skill": "paie-en-ligne"}, LeftAlone.SKILL),
        ({"level": 1}, LeftAlone.LEVEL),
        ({"places": int(Place.REMOTE)}, LeftAlone.PLACES),
        ({"level": 1, "places": int(Place.REMOTE)}, LeftAlone.SEVERAL),
    ],
)
def test_a_round_keeps_the_reason_of_each_need_that_it_leaves_alone(market, db_session, offer, reason):
    need = market.need(level=4)
    market.offer(**{"level": 4, **offer})

    rounds.run()

    assert db_session.get(RoundOutcome, need.id).reason is reason


def test_a_round_that_proposes_something_forgets_the_reason(market, db_session):
    need = market.need()
    rounds.run()
    assert db_session.get(RoundOutcome, need.id).reason is LeftAlone.SKILL

    market.offer()
    rounds.run()

    assert db_session.get(RoundOutcome, need.id) is None


def test_a_dry_run_keeps_nothing(market, db_session):
    need = market.need()

    report = rounds.run(dry_run=True)

    assert report.left_alone == {"skill": 1}
    assert db_session.get(RoundOutcome, need.id) is None


def test_the_second_need_of_a_structure_knows_that_the_first_was_served(market, db_session):
    firm = market.organisation(commune=RENNES)
    needs = [market.need(organisation=firm), market.need(organisation=firm)]
    market.offer(organisation=at(market, RENNES), capacity=1)

    rounds.run()

    (alone,) = [outcome for need in needs if (outcome := db_session.get(RoundOutcome, need.id))]
    assert alone.reason is LeftAlone.SHARE


def _two_rivals(market):
    """A need near two offers, a farther one near the second only; each offer has one place."""
    near = market.need(organisation=at(market, CESSON))
    far = market.need(organisation=at(market, LIFFRE))
    wanted = market.offer(organisation=at(market, CESSON), capacity=1)
    return near, far, wanted


def verdict(need, offer):
    return explanations.verdicts(need, [offer]).get(offer.id)


def test_a_chosen_pair_is_told_as_chosen(market, db_session):
    near, _, wanted = _two_rivals(market)

    told_before = verdict(near, wanted)
    report = rounds.run()

    told = verdict(near, wanted)
    assert told_before is None
    assert (told.round.id, told.is_chosen) == (report.round_id, True)
    assert told.loss == pytest.approx(0, abs=1e-6)


def test_a_pair_that_lost_says_who_got_the_offer_and_what_the_total_would_lose(market, db_session):
    near, far, wanted = _two_rivals(market)
    rounds.run()

    told = verdict(far, wanted)

    assert (told.is_chosen, told.got, [need.id for need in told.winners]) == (False, [], [near.id])
    outcome = db_session.get(RoundOutcome, far.id)
    assert told.loss == pytest.approx(outcome.lost[0]["loss"], abs=1e-5)


def test_a_need_that_got_another_offer_says_which(market):
    near, far, wanted = _two_rivals(market)
    other = market.offer(organisation=at(market, LIFFRE), capacity=1)
    rounds.run()

    told = verdict(near, other)

    assert ([offer.id for offer in told.got], [need.id for need in told.winners]) == ([wanted.id], [far.id])
    assert told.loss > 0


def test_the_loss_stays_what_it_was_while_time_goes_by(market, clock):
    _, far, wanted = _two_rivals(market)
    rounds.run()
    before = verdict(far, wanted).loss

    clock.move(days=20)

    assert verdict(far, wanted).loss == pytest.approx(before)


def test_a_listing_published_after_the_round_was_not_weighed(market):
    _, far, _ = _two_rivals(market)
    rounds.run()

    assert verdict(far, market.offer(organisation=at(market, LIFFRE))) is None


def test_a_pair_that_the_rules_exclude_has_no_verdict(market):
    _, far, _ = _two_rivals(market)
    remote = market.offer(skill="paie-en-ligne")
    rounds.run()

    assert verdict(far, remote) is None


def test_an_offer_can_ask_for_its_pairs_too(market):
    near, far, wanted = _two_rivals(market)
    rounds.run()

    told = explanations.verdicts(wanted, [near, far])

    assert (told[near.id].is_chosen, told[far.id].is_chosen) == (True, False)


def test_explaining_unknown_listings_names_the_id(market):
    need = market.need()

    with pytest.raises(NotFound, match="999"):
        explanations.offer_of(999)
    with pytest.raises(NotFound, match="no offer"):
        explanations.offer_of(need.id)
