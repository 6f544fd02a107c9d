"""Why a pair fits or not, and what a need finds: in numbers and words, and nothing that pages hide."""

import pytest

from marketplace.models import DeclineReason, ListingState, MatchState, Place
from marketplace.services import matches, rounds
from tests.support.builders import LIFFRE, PARIS, RENNES
from tests.support.queries import counted


def pair(client, need, offer):
    return client.get(f"/api/v1/explain?need={need.id}&offer={offer.id}")


def situation(client, listing):
    return client.get(f"/api/v1/listings/{listing.id}/explain")


def test_a_pair_that_fits_tells_each_part_of_its_score(client, market):
    told = pair(client, market.need(), market.offer()).json
    assert told["fits"] is True
    assert 0 < told["score"] <= 1
    assert [part["criterion"] for part in told["parts"]] == [
        "skill", "level", "distance", "sector", "availability", "waiting",
    ]  # fmt: skip
    assert sum(part["share"] for part in told["parts"]) == pytest.approx(1, abs=0.03)
    assert told["parts"][0]["text"].startswith("la même des deux côtés, « ")
    assert told["parts"][2]["text"] == "moins de 1 km à vol d’oiseau"


def test_words_are_plain_text(client, market):
    told = pair(client, market.need(skill="ia-generative"), market.offer(skill="ia-generative")).json
    assert "l'IA" in told["parts"][0]["text"]
    assert "&" not in told["parts"][0]["text"]


def test_a_pair_that_does_not_fit_tells_the_rules_and_their_numbers(client, market):
    need = market.need(organisation=market.organisation(commune=RENNES), radius_km=10)
    offer = market.offer(organisation=market.organisation(commune=LIFFRE))
    told = pair(client, need, offer).json
    assert (told["fits"], told["score"], told["parts"]) == (False, None, [])
    assert told["excluded_by"] == [
        {"rule": "radius", "text": "à 18 km, plus que les 10 km choisis"},
    ]


def test_each_rule_has_its_own_words(client, market):
    told = pair(client, market.need(level=4, skill="tableur"), market.offer(level=1)).json
    assert [broken["rule"] for broken in told["excluded_by"]] == ["skill", "level"]
    assert told["excluded_by"][1]["text"].startswith("niveau proposé « découverte »")


def test_a_need_tells_what_would_change_it(client, market):
    need = market.need(organisation=market.organisation(commune=RENNES), radius_km=10)
    market.offer(organisation=market.organisation(commune=LIFFRE), radius_km=100)
    market.offer(organisation=market.organisation(commune=PARIS), places=int(Place.REMOTE))

    told = situation(client, need).json

    assert told["situation"] == "several" or told["situation"] == "radius"
    by_change = {change["change"]: change for change in told["changes"]}
    assert by_change["radius"]["offers"] == 1
    assert by_change["radius"]["text"] == "En allant jusqu’à 19 km, soit 9 km de plus : 1 savoir-faire"
    assert by_change["remote"]["text"] == "En acceptant aussi à distance : 1 savoir-faire"


@pytest.mark.parametrize(
    ("offer", "name", "words"),
    [
        (None, "skill", "Personne ne propose encore cette compétence."),
        ({}, "none", "Un savoir-faire convient et a de la place."),
        ({"level": 1}, "level", "La compétence se trouve, mais pas au niveau « expertise »."),
        ({"places": int(Place.REMOTE)}, "places", "La compétence se trouve, mais pas aux lieux"),
    ],
)
def test_a_situation_is_said_in_words(client, market, offer, name, words):
    need = market.need(level=4)
    if offer is not None:
        market.offer(**{"level": 4, **offer})
    told = situation(client, need).json
    assert told["situation"] == name
    assert told["text"].startswith(words)


def test_offers_that_are_full_are_counted(client, market):
    market.match(offer=market.offer(capacity=1))
    told = situation(client, market.need()).json
    assert (told["situation"], told["full"], told["fitting"]) == ("taken", 1, 0)


def test_a_need_in_relation_looks_for_nobody(client, market):
    match = market.match()
    told = client.get(f"/api/v1/listings/{match.need_id}/explain").json
    assert told["situation"] == "matched"


def test_who_declined_whom_is_not_told(client, market):
    need, offer = market.need(), market.offer()
    before = situation(client, need).json
    rounds.run()
    (found,) = matches.space(market.speaker(offer)).awaiting
    matches.decline(found.match.id, by=market.speaker(offer), reason=DeclineReason.NO_TIME)

    assert situation(client, need).json == before
    assert pair(client, need, offer).json["fits"] is True


def test_who_won_what_in_a_round_is_not_told(client, market):
    winner, offer, loser = market.need(), market.offer(capacity=1), market.need(level=1)
    rounds.run()
    told = [situation(client, listing).text for listing in (winner, loser)]
    for text in told:
        assert offer.title not in text
        assert not any(other.title in text for other in (winner, loser))
        assert '"offer"' not in text


@pytest.mark.parametrize("state", [ListingState.PENDING, ListingState.PAUSED, ListingState.DRAFT])
def test_only_what_is_online_is_explained(client, market, state):
    online, hidden = market.offer(), market.need(state=state)
    assert situation(client, hidden).status_code == 404
    assert pair(client, hidden, online).status_code == 404


def test_two_needs_are_no_pair_and_an_offer_has_no_situation(client, market):
    need, offer = market.need(), market.offer()
    assert pair(client, need, need).status_code == 404
    assert pair(client, offer, need).status_code == 404
    assert situation(client, offer).status_code == 404


@pytest.mark.parametrize(
    "query", ["", "?need=1", "?need=0&offer=1", "?need=a&offer=1", f"?need={2**31}&offer=1"]
)
def test_a_pair_needs_two_ids(client, query):
    assert client.get(f"/api/v1/explain{query}").status_code == 422


def test_explaining_costs_the_same_however_many_offers_there_are(client, market):
    need = market.need()
    offers = [market.offer()]

    def asked():
        with counted() as count:
            situation(client, need)
            pair(client, need, offers[0])
        return int(count)

    asked()
    before = asked()
    with market.in_one_transaction():
        offers += [market.offer() for _ in range(10)]
    asked()
    assert asked() == before


def test_an_agreed_match_says_no_more(client, market):
    match = market.match(state=MatchState.AGREED)
    told = client.get(f"/api/v1/listings/{match.offer_id}").json
    assert "live_matches" not in told and told["places_left"] == 0
