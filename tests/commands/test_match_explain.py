"""`flask match explain`: a pair, or a need that has nobody."""

from marketplace.services import rounds
from tests.support.builders import CESSON, LIFFRE, PARIS, RENNES


def explain(app, *ids: int):
    return app.test_cli_runner().invoke(args=["match", "explain", *map(str, ids)])


def test_a_pair_too_far_tells_the_rule_and_the_distance(app, market):
    need = market.need(organisation=market.organisation(commune=RENNES))
    offer = market.offer(organisation=market.organisation(commune=PARIS))

    told = explain(app, need.id, offer.id)

    assert told.exit_code == 0
    assert "excluded by: radius" in told.output
    assert "within 30 km" in told.output


def test_a_need_alone_tells_what_would_change_it(app, market):
    need = market.need(organisation=market.organisation(commune=RENNES), radius_km=10)
    market.offer(organisation=market.organisation(commune=LIFFRE), radius_km=100)

    told = explain(app, need.id)

    assert "obstacle: radius" in told.output
    assert "km: 1 more" in told.output


def test_a_need_that_lost_tells_to_whom_and_at_what_cost(app, market):
    winner = market.need(organisation=market.organisation(commune=CESSON))
    loser = market.need(organisation=market.organisation(commune=LIFFRE))
    offer = market.offer(organisation=market.organisation(commune=CESSON), capacity=1)
    rounds.run()

    told = explain(app, loser.id)

    assert f"offer {offer.id} went to {winner.id}; the total would lose 0." in told.output


def test_an_unknown_need_is_refused(app):
    assert explain(app, 999).exit_code == 1


def test_a_pair_that_lost_tells_which_need_got_the_offer_and_what_the_total_would_lose(app, market):
    winner = market.need(organisation=market.organisation(commune=CESSON))
    loser = market.need(organisation=market.organisation(commune=LIFFRE))
    offer = market.offer(organisation=market.organisation(commune=CESSON), capacity=1)
    before = explain(app, loser.id, offer.id).output
    rounds.run()

    assert "no round weighed the two together" in before
    assert "chosen" in explain(app, winner.id, offer.id).output
    told = explain(app, loser.id, offer.id).output
    assert f"not chosen; the need got offer none, the offer went to need {winner.id}" in told
    assert "the total would lose 0." in told


def test_an_unknown_offer_is_refused(app, market):
    assert explain(app, market.need().id, 999).exit_code == 1
