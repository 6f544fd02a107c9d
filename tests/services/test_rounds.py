"""A matching round, as its caller and the people of the market see it."""

import json

import pytest
from sqlalchemy import func, select

from marketplace.models import (
    AuditEntry,
    DeclineReason,
    ExchangeCircle,
    Listing,
    ListingState,
    Match,
    MatchingRound,
    MatchOrigin,
    MatchState,
)
from marketplace.services import listings, matches, rounds
from marketplace.services.errors import NotFound

RENNES, CESSON, LIFFRE, PARIS = "35238", "35051", "35152", "75056"


def all_matches(db_session):
    return list(db_session.scalars(select(Match).order_by(Match.id)))


def test_a_need_is_paired_with_the_offer_nearby(market, db_session):
    need = market.need(organisation=market.organisation(commune=RENNES))
    near = market.offer(organisation=market.organisation(commune=CESSON))
    market.offer(organisation=market.organisation(commune=LIFFRE))

    report = rounds.run()

    (match,) = all_matches(db_session)
    assert (match.need_id, match.offer_id) == (need.id, near.id)
    assert match.state is MatchState.PROPOSED
    assert (report.matched, report.written) == (1, 1)


def test_the_explanation_is_kept_with_the_match(market, db_session):
    market.need(organisation=market.organisation(commune=RENNES))
    market.offer(organisation=market.organisation(commune=CESSON))

    rounds.run()

    (match,) = all_matches(db_session)
    told = match.explanation
    assert {part["criterion"] for part in told["parts"]} == {
        "skill",
        "level",
        "distance",
        "sector",
        "availability",
        "waiting",
    }
    assert sum(part["share"] for part in told["parts"]) == pytest.approx(1, abs=1e-3)
    assert told["score"] == pytest.approx(match.score)
    assert match.distance_km == pytest.approx(5.6, abs=1.5)


def test_an_offer_too_far_is_left_alone(market, db_session):
    market.need(organisation=market.organisation(commune=RENNES), radius_km=50)
    market.offer(organisation=market.organisation(commune=PARIS), radius_km=200)

    report = rounds.run()

    assert (report.edges, report.matched) == (0, 0)
    assert all_matches(db_session) == []


def test_an_offer_takes_no_more_needs_than_its_capacity(market, db_session):
    for _ in range(4):
        market.need()
    offer = market.offer(capacity=3)

    rounds.run()

    assert len(all_matches(db_session)) == 3
    assert db_session.get(Listing, offer.id).live_matches == 3


def test_the_total_limit_counts_exchanges_already_made(market, db_session):
    for _ in range(3):
        market.need()
    market.offer(capacity=3, total_limit=2, completed_matches=1)

    rounds.run()

    assert len(all_matches(db_session)) == 1


def test_a_live_match_is_not_disturbed(market, db_session):
    match = market.match(state=MatchState.ACCEPTED)
    market.offer()

    rounds.run()

    (kept,) = all_matches(db_session)
    assert (kept.id, kept.state) == (match.id, MatchState.ACCEPTED)


def test_a_declined_pair_never_comes_back(market, db_session, clock):
    need, offer = market.need(), market.offer()
    rounds.run()
    (match,) = all_matches(db_session)
    matches.decline(match.id, by=market.speaker(offer), reason=DeclineReason.NO_TIME)

    clock.move(days=60)
    rounds.run()

    assert len(all_matches(db_session)) == 1
    assert db_session.get(Listing, need.id).live_matches == 0


def test_an_unanswered_pair_comes_back_after_a_rest_and_not_before(market, db_session, clock):
    market.need(), market.offer()
    rounds.run()
    clock.move(days=11)
    matches.expire_due()

    rounds.run()
    assert len(all_matches(db_session)) == 1

    clock.move(days=31)
    rounds.run()
    assert len(all_matches(db_session)) == 2


def test_listings_that_do_not_show_take_no_part(market, db_session):
    market.need()
    for state in (ListingState.PAUSED, ListingState.PENDING, ListingState.WITHDRAWN):
        market.offer(state=state)

    rounds.run()

    assert all_matches(db_session) == []


def test_a_listing_past_its_term_takes_no_part_even_before_the_worker_expires_it(market, db_session, clock):
    market.need(), market.offer()
    clock.move(days=120)

    assert rounds.run().needs == 0


def test_one_structure_is_never_paired_with_itself(market, db_session):
    firm = market.organisation()
    market.need(organisation=firm), market.offer(organisation=firm)

    rounds.run()

    assert all_matches(db_session) == []


def test_two_structures_that_can_help_each_other_make_a_circle(market, db_session):
    bakery, garden = market.organisation(commune=RENNES), market.organisation(commune=CESSON)
    market.need(skill="boutique-en-ligne", organisation=bakery)
    market.offer(skill="tableur", organisation=bakery)
    market.need(skill="tableur", organisation=garden)
    market.offer(skill="boutique-en-ligne", organisation=garden)

    report = rounds.run()

    (circle,) = db_session.scalars(select(ExchangeCircle))
    assert (report.circles, circle.size) == (1, 2)
    assert {match.origin for match in all_matches(db_session)} == {MatchOrigin.CIRCLE}


def test_a_round_of_one_territory_serves_its_needs_only(market, db_session):
    here = market.need(organisation=market.organisation(commune=RENNES))
    market.need(organisation=market.organisation(commune=LIFFRE))
    market.offer(capacity=5, organisation=market.organisation(commune=CESSON))

    rounds.run(territory="243500139")

    assert [match.need_id for match in all_matches(db_session)] == [here.id]


def test_an_unknown_territory_is_refused(app):
    with pytest.raises(NotFound):
        rounds.run(territory="000000000")


def test_a_dry_run_writes_nothing(market, db_session, outbox):
    market.need(), market.offer()

    report = rounds.run(dry_run=True)

    assert (report.matched, report.written, report.round_id) == (1, 0, None)
    assert db_session.scalar(select(func.count()).select_from(MatchingRound)) == 0
    assert outbox.all() == []


def test_each_person_gets_one_mail_for_all_their_proposals(market, outbox):
    needs = [market.need() for _ in range(3)]
    offer = market.offer(capacity=3)

    rounds.run()

    assert len(outbox.to(market.speaker(offer).email)) == 1
    told = outbox.last(to=market.speaker(offer).email).text
    assert all(need.title in told for need in needs)
    assert [len(outbox.to(market.speaker(need).email)) for need in needs] == [1, 1, 1]


def test_the_round_is_kept_with_its_policy_and_figures_and_an_audit_line(market, db_session):
    market.need(), market.offer()

    report = rounds.run()

    kept = db_session.get(MatchingRound, report.round_id)
    assert kept.figures["matched"] == 1
    assert kept.policy["weights"]
    assert db_session.scalar(select(AuditEntry.action).where(AuditEntry.action == "round.run"))


def test_the_report_as_json_has_the_figures_of_the_contract(market):
    market.need(), market.offer()

    told = json.loads(rounds.run().to_json())

    assert {
        "needs",
        "offers",
        "edges",
        "matched",
        "circles",
        "total_weight",
        "greedy_weight",
        "first_come_weight",
        "seconds",
    } <= told.keys()
    assert told["total_weight"] >= told["greedy_weight"] > 0


def test_a_listing_withdrawn_while_the_round_computes_gets_no_proposal(market, db_session, monkeypatch):
    market.need()
    offer = market.offer()
    plan = rounds.market.plan

    def slow_plan(*args, **kwargs):
        found = plan(*args, **kwargs)
        listings.withdraw(offer.id, by=market.speaker(offer))
        return found

    monkeypatch.setattr(rounds.market, "plan", slow_plan)

    report = rounds.run()

    assert (report.matched, report.written) == (1, 0)
    assert all_matches(db_session) == []


def test_a_circle_that_lost_a_pair_is_not_proposed_at_all(market, db_session, monkeypatch):
    one, other = market.organisation(commune=RENNES), market.organisation(commune=CESSON)
    market.need(skill="boutique-en-ligne", organisation=one)
    given = market.offer(skill="tableur", organisation=one)
    market.need(skill="tableur", organisation=other)
    market.offer(skill="boutique-en-ligne", organisation=other)
    plan = rounds.market.plan

    def slow_plan(*args, **kwargs):
        found = plan(*args, **kwargs)
        listings.pause(given.id, by=market.speaker(given))
        return found

    monkeypatch.setattr(rounds.market, "plan", slow_plan)

    rounds.run()

    assert all_matches(db_session) == []
