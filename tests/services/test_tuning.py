"""What other settings would have made of the last round: who gains, who loses, before anything is applied."""

import json

import pytest
from sqlalchemy import func, select

from marketplace.models import DeclineReason, Match, MatchState, Place
from marketplace.services import market as market_service
from marketplace.services import matches, policies, rounds, tuning
from marketplace.services.errors import FieldError, NotFound
from tests.support.builders import CESSON, LIFFRE, LIFFRE_CORMIER, PARIS, RENNES, RENNES_METROPOLE

STRICT = {"level_gap": 0}


def named(shifts):
    return [shift.need_id for shift in shifts.named]


def test_stricter_settings_cost_a_need_its_pair(market):
    fits = market.need(level=2)
    lost = market.need(skill="paie-en-ligne", level=4)
    market.offer(level=3), market.offer(skill="paie-en-ligne", level=3)

    told = tuning.compare(RENNES_METROPOLE, STRICT)

    assert (told.before.matched, told.after.matched) == (2, 1)
    assert (named(told.losses), told.losses.count) == ([lost.id], 1)
    assert told.losses.named[0].title == lost.title
    assert told.losses.named[0].after is None
    assert (told.gains.count, told.moved.count) == (0, 0)
    assert fits.id not in named(told.losses)


def test_more_generous_settings_gain_a_pair(market):
    need = market.need(level=4)
    offer = market.offer(level=2, organisation=market.organisation(commune=CESSON))

    told = tuning.compare(RENNES_METROPOLE, {"level_gap": 2})

    assert named(told.gains) == [need.id]
    assert told.gains.named[0].after.offer_id == offer.id
    assert told.gains.named[0].after.distance_km == pytest.approx(5.6, abs=1.5)
    assert told.before.mean_distance_km is None
    assert told.after.mean_distance_km == pytest.approx(told.gains.named[0].after.distance_km)


def test_other_weights_move_a_need_to_another_offer(market):
    need = market.need(level=4, radius_km=60)
    near = market.offer(level=3, radius_km=60)
    far = market.offer(level=4, radius_km=60, organisation=market.organisation(commune=LIFFRE))
    weights = {
        "skill": 0.44,
        "level": 0.28,
        "distance": 0.05,
        "sector": 0.06,
        "availability": 0.08,
        "waiting": 0.09,
    }

    told = tuning.compare(RENNES_METROPOLE, {"weights": weights})

    (shift,) = told.moved.named
    assert (shift.need_id, shift.before.offer_id, shift.after.offer_id) == (need.id, near.id, far.id)
    assert told.after.mean_distance_km > told.before.mean_distance_km


def test_the_last_round_is_played_again_with_its_proposals_put_back(market, db_session):
    market.need(), market.offer()
    report = rounds.run()

    told = tuning.compare(RENNES_METROPOLE, {})

    assert (told.round_id, told.needs, told.before.matched) == (report.round_id, 1, 1)
    assert told.before == told.after
    assert db_session.scalar(select(func.count()).select_from(Match)) == 1


def test_a_declined_proposal_is_not_put_back(market, db_session):
    need = market.need()
    market.offer()
    rounds.run()
    match = db_session.scalars(select(Match)).one()
    matches.decline(match.id, by=market.speaker(need), reason=DeclineReason.NO_TIME)

    told = tuning.compare(RENNES_METROPOLE, {})

    assert (told.needs, told.before.matched) == (1, 0)


def test_a_match_that_people_made_themselves_keeps_its_places(market):
    need, offer = market.need(), market.offer(capacity=1)
    market.match(need=need, offer=offer, state=MatchState.AGREED)
    market.need()

    told = tuning.compare(RENNES_METROPOLE, {})

    assert (told.needs, told.before.matched) == (1, 0)


def test_needs_of_other_territories_are_left_out(market):
    market.need(organisation=market.organisation(commune=LIFFRE))
    market.offer()

    assert tuning.compare(RENNES_METROPOLE, {}).needs == 0
    assert tuning.compare(LIFFRE_CORMIER, {}).needs == 1
    assert tuning.compare(None, {}).needs == 1


def test_remote_offers_count_from_anywhere_and_have_no_way(market):
    market.need(places=int(Place.REMOTE))
    market.offer(organisation=market.organisation(commune=PARIS), places=int(Place.REMOTE))

    told = tuning.compare(RENNES_METROPOLE, {})

    assert (told.before.matched, told.before.mean_distance_km) == (1, None)


def test_settings_already_applied_are_the_ones_compared_with(market):
    market.need(level=4), market.offer(level=3)
    policies.apply(RENNES_METROPOLE, STRICT, by=market.admin(), seen=0)

    told = tuning.compare(RENNES_METROPOLE, {})

    assert (told.before.matched, told.after.matched) == (0, 1)


def test_only_those_in_charge_may_preview(market):
    with pytest.raises(NotFound):
        tuning.preview(RENNES_METROPOLE, {}, by=market.moderator(LIFFRE_CORMIER))

    assert tuning.preview(RENNES_METROPOLE, {}, by=market.moderator()).needs == 0


def test_settings_that_cannot_be_are_refused(app):
    with pytest.raises(FieldError):
        tuning.compare(RENNES_METROPOLE, {"level_gap": 9})


def test_text_and_json_tell_the_same(market):
    market.need(level=4, organisation=market.organisation(commune=RENNES)), market.offer(level=3)

    told = tuning.compare(RENNES_METROPOLE, STRICT)

    assert json.loads(told.to_json())["losses"]["count"] == 1
    assert "matched 1 → 0" in told.to_text()
    assert "mean distance 0.0 km → none" in told.to_text()


def test_in_a_national_round_each_need_follows_its_own_territory(market, db_session):
    strict = market.need(level=4)
    free = market.need(skill="paie-en-ligne", level=4, organisation=market.organisation(commune=LIFFRE))
    market.offer(level=3), market.offer(skill="paie-en-ligne", level=3)
    policies.apply(RENNES_METROPOLE, STRICT, by=market.admin(), seen=0)

    report = rounds.run()

    assert [match.need_id for match in db_session.scalars(select(Match))] == [free.id]
    kept = rounds.latest(1)[0].policy
    assert kept["level_gap"] == 1
    assert kept["territories"][RENNES_METROPOLE]["level_gap"] == 0
    assert report.matched == 1
    assert strict.live_matches == 0


def test_a_round_under_several_policies_respects_declined_pairs(market, db_session):
    need, offer = market.need(), market.offer()
    market.match(need=need, offer=offer, state=MatchState.DECLINED)
    other = market.need(organisation=market.organisation(commune=LIFFRE))
    policies.apply(RENNES_METROPOLE, {"half_distance_km": 20}, by=market.admin(), seen=0)

    rounds.run()

    live = db_session.scalars(select(Match).where(Match.state == MatchState.PROPOSED)).all()
    assert [(match.need_id, match.offer_id) for match in live] == [(other.id, offer.id)]


def test_settings_that_change_no_score_change_no_pair_of_a_national_round(market, db_session):
    far = market.organisation(commune=PARIS)
    for place in (RENNES, CESSON, LIFFRE):
        home = market.organisation(commune=place)
        market.need(organisation=home, places=int(Place.REMOTE | Place.LEARNER), radius_km=40)
    market.offer(organisation=far, places=int(Place.REMOTE))
    market.offer(organisation=market.organisation(commune=CESSON), radius_km=40)
    market.offer(organisation=market.organisation(commune=LIFFRE), radius_km=40)
    alone = market_service.plan(whole(), market_service.policies())

    policies.apply(RENNES_METROPOLE, {"circle_max_loss": 0.1}, by=market.admin(), seen=0)
    together = market_service.plan(whole(), market_service.policies())

    assert chosen(alone) == chosen(together)
    assert len(chosen(alone)) == 3


def whole():
    return market_service.load(needs=market_service.is_open(), offers=market_service.is_open())


def chosen(plan):
    rows = plan.matched
    return sorted(zip(plan.edges.need[rows].tolist(), plan.edges.offer[rows].tolist(), strict=True))
