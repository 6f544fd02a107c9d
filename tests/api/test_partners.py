"""What a partner does by program: create and close listings for those who agreed, once per key."""

import pytest
from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    Listing,
    ListingState,
    Membership,
    MembershipRole,
    ModerationMode,
    OutboxMail,
    PartnerListing,
    Scope,
)
from marketplace.services import listings, partners
from tests.support.builders import LIFFRE, LIFFRE_CORMIER, RENNES_METROPOLE, siret
from tests.support.partners import LISTINGS, NEED, agree, holder
from tests.support.queries import counted
from tests.support.threads import at_once

PROBLEM = "application/problem+json"


@pytest.fixture
def chamber(client, market):
    return holder(client, market)


@pytest.fixture
def baker(market, chamber):
    """A structure whose manager agreed."""
    organisation = market.organisation(name="Le Bon Pain")
    agree(organisation, chamber, by=market.speaker(organisation))
    return organisation


def made() -> list[Listing]:
    db.session.rollback()
    return list(db.session.scalars(select(Listing).order_by(Listing.id)))


def refused(response, status):
    assert (response.status_code, response.mimetype) == (status, PROBLEM), response.text
    return response.json


# --- Create ---


def test_a_listing_is_published_for_a_structure_that_agreed(chamber, baker, market, outbox):
    response = chamber.create(baker, half_days=["monday-morning"], extra_skills=["tableur"], urgency=3)
    assert response.status_code == 201, response.text
    assert (response.json["state"], response.json["organisation"]) == ("published", "Le Bon Pain")

    (listing,) = made()
    manager = market.speaker(baker)
    assert (listing.id, listing.author_id, listing.organisation_id) == (
        response.json["id"],
        manager.id,
        baker.id,
    )
    assert (listing.level, listing.places, listing.availability, listing.urgency) == (2, 5, 1, 3)
    assert "Vendre nos confitures" in outbox.last(to=manager.email).text


def test_an_offer_has_its_places(chamber, baker):
    response = chamber.create(
        baker, kind="offer", capacity=3, total_limit=10, is_permanent=True, avoid_competitors=True
    )
    assert response.status_code == 201
    (listing,) = made()
    assert (listing.capacity, listing.total_limit, listing.is_permanent) == (3, 10, True)
    assert (listing.avoid_competitors, listing.urgency) == (True, None)


def test_the_territory_reads_first_what_it_reads_first(chamber, baker, market):
    market.open_territory(mode=ModerationMode.BEFORE)
    assert chamber.create(baker).json["state"] == "pending"


def test_a_text_that_sets_off_a_check_waits(chamber, baker):
    response = chamber.create(baker, description="Appelez-nous au 06 12 34 56 78 pour en parler, merci bien.")
    assert response.json["state"] == "pending"
    (listing,) = made()
    assert listing.flags == ["phone"]


def test_the_audit_log_names_the_partner_and_the_token(chamber, baker):
    listing_id = chamber.create(baker).json["id"]
    chamber.close(listing_id)
    lines = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action.startswith("partner.listing")).order_by(AuditEntry.id)
    )
    told = [(line.action, line.subject_id, line.after["partner"], line.after["token"]) for line in lines]
    assert told == [
        ("partner.listing_created", str(listing_id), "Chambre de métiers", chamber.token.prefix),
        ("partner.listing_closed", str(listing_id), "Chambre de métiers", chamber.token.prefix),
    ]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"siret": "12345678901234"}, "siret"),
        ({"siret": "1"}, "siret"),
        ({"kind": "besoin"}, "kind"),
        ({"skill": "sorcellerie"}, "skill"),
        ({"extra_skills": ["sorcellerie"]}, "extra_skills"),
        ({"extra_skills": ["tableur"] * 3}, "extra_skills"),
        ({"level": 5}, "level"),
        ({"level": "2"}, "level"),
        ({"level": True}, "level"),
        ({"level": 10**400}, "level"),
        ({"title": "Oui"}, "title"),
        ({"title": "x" * 101}, "title"),
        ({"title": "a\x00bcdef"}, "title"),
        ({"title": "\u202egnol ecxe.txt"}, "title"),
        ({"title": "      x      "}, "title"),
        ({"description": "court"}, "description"),
        ({"description": "\ud83d" * 30}, "description"),
        ({"description": None}, "description"),
        ({"places": []}, "places"),
        ({"places": ["moon"]}, "places.0"),
        ({"radius_km": 201}, "radius_km"),
        ({"radius_km": -1}, "radius_km"),
        ({"half_days": ["someday"]}, "half_days.0"),
        ({"urgency": 0}, "urgency"),
        ({"kind": "offer", "capacity": 51}, "capacity"),
        ({"kind": "offer", "total_limit": 0}, "total_limit"),
        ({"state": "published"}, "state"),
        ({"author_id": 1}, "author_id"),
    ],
)
def test_a_wrong_value_is_refused_at_its_name_and_nothing_is_written(chamber, baker, wrong, field):
    problem = refused(chamber.create(baker, **wrong), 422)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert made() == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"[" * 50_000, "application/json", 400),
        (b'{"a":' * 12_000, "application/json", 400),
        (b'{"level": ' + b"9" * 5_000 + b"}", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b'{"title": "' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_that_cannot_be_is_refused(chamber, baker, body, kind, status):
    headers = {**chamber.proof, "Idempotency-Key": "k"}
    refused(chamber.client.post(LISTINGS, data=body, content_type=kind, headers=headers), status)
    assert made() == []


# --- Who may ---


def test_without_a_token_nothing_is_done(chamber, baker, client):
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer bsf_aaaaaaaa_" + "a" * 43},
        {"Authorization": f"Bearer {chamber.secret[:-1]}x"},
        {"Authorization": f"Basic {chamber.secret}"},
        {"Authorization": "Bearer é" + "\x7f"},
    ):
        for response in (
            client.post(
                LISTINGS, json={**NEED, "siret": baker.siret}, headers={**headers, "Idempotency-Key": "k"}
            ),
            client.get(LISTINGS, headers=headers),
        ):
            refused(response, 401)
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert made() == []


def test_a_cookie_proves_nothing(login, market, client, baker):
    login(market.admin())
    refused(client.get(LISTINGS), 401)


def test_a_revoked_token_does_nothing_more(chamber, baker, market):
    assert chamber.get().status_code == 200
    partners.revoke(RENNES_METROPOLE, chamber.token.id, by=market.admin())
    refused(chamber.get(), 401)
    refused(chamber.create(baker), 401)


def test_an_expired_token_does_nothing_more(chamber, baker, clock):
    clock.move(days=91)
    refused(chamber.create(baker), 401)


def test_a_territory_that_closed_has_no_partners(chamber, baker, market):
    market.open_territory().is_open = False
    db.session.commit()
    refused(chamber.create(baker), 401)


@pytest.mark.parametrize("scope", list(Scope))
def test_each_scope_opens_its_own_acts_only(client, market, scope):
    limited = holder(client, market, scopes=(scope,), name="Un seul droit")
    organisation = market.organisation()
    agree(organisation, limited, by=market.speaker(organisation))
    reads, writes = limited.get().status_code, limited.create(organisation).status_code
    assert (reads, writes) == {Scope.READ_OWN: (200, 403), Scope.WRITE: (403, 201)}[scope]


def test_a_structure_that_did_not_agree_is_like_one_that_does_not_exist(chamber, baker, market):
    silent = market.organisation()
    answers = [chamber.send(LISTINGS, {**NEED, "siret": number}) for number in (silent.siret, siret(700_000))]
    problems = [refused(answer, 403) for answer in answers]
    assert problems[0] == problems[1]
    assert made() == []


def test_a_structure_of_another_territory_is_out_of_reach(chamber, client, market):
    elsewhere = holder(client, market, siren=LIFFRE_CORMIER, name="Outil de Liffré")
    organisation = market.organisation(commune=LIFFRE)
    agree(organisation, elsewhere, by=market.speaker(organisation))
    refused(chamber.create(organisation), 403)
    assert elsewhere.create(organisation).status_code == 201


def test_a_structure_that_moved_away_is_out_of_reach(chamber, baker):
    baker.commune_insee = LIFFRE
    db.session.commit()
    refused(chamber.create(baker), 403)


def test_who_withdrew_the_accord_is_published_for_no_more(chamber, baker, market):
    listing_id = chamber.create(baker).json["id"]
    partners.consent(baker.id, chamber.token.partner_id, given=False, by=market.speaker(baker))
    refused(chamber.create(baker, title="Une autre annonce"), 403)
    refused(chamber.close(listing_id), 404)
    refused(chamber.get(f"{LISTINGS}/{listing_id}"), 404)
    assert chamber.get().json["data"] == []


def test_the_accord_ends_with_the_manager_who_gave_it(chamber, baker, market):
    manager = market.speaker(baker)
    market.employee(baker)
    row = db.session.scalar(select(Membership).where(Membership.user_id == manager.id))
    row.role = MembershipRole.EMPLOYEE
    db.session.commit()
    refused(chamber.create(baker), 403)


def test_nothing_is_published_for_a_suspended_structure(chamber, baker, clock):
    baker.suspended_at = clock.now
    db.session.commit()
    refused(chamber.create(baker), 403)


# --- Close, and see ---


def test_a_listing_is_closed(chamber, baker):
    listing_id = chamber.create(baker).json["id"]
    assert chamber.close(listing_id).json["state"] == "withdrawn"
    (listing,) = made()
    assert listing.state is ListingState.WITHDRAWN
    refused(chamber.close(listing_id), 409)


def test_only_what_the_partner_created_is_its_own(chamber, baker, client, market):
    theirs = market.need(organisation=baker)
    other = holder(client, market, name="Un autre outil")
    agree(baker, other, by=market.speaker(baker))
    mine = chamber.create(baker).json["id"]
    for listing_id in (theirs.id, 999_999):
        refused(chamber.close(listing_id), 404)
        refused(chamber.get(f"{LISTINGS}/{listing_id}"), 404)
    refused(other.close(mine), 404)
    assert other.get().json["data"] == []
    assert [row["id"] for row in chamber.get().json["data"]] == [mine]
    assert listings.show(theirs.id, to=None).state is ListingState.PUBLISHED


def test_the_list_has_pages_and_costs_the_same(chamber, baker):
    ids = [chamber.create(baker, title=f"Annonce numéro {number}").json["id"] for number in range(5)]
    found, path = [], f"{LISTINGS}?limit=2"
    while path:
        response = chamber.get(path)
        found += [row["id"] for row in response.json["data"]]
        link = response.headers.get("Link")
        path = link and link[1 : link.index(">")]
    assert found == ids[::-1]

    costs = []
    for limit in (1, 5):
        with counted() as count:
            chamber.get(f"{LISTINGS}?limit={limit}")
        costs.append(int(count))
    assert costs[0] == costs[1]


def test_no_web_page_and_no_cache_gets_what_a_token_sees(chamber):
    headers = chamber.get().headers
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Cache-Control"] == "no-store"


# --- Once per key ---


def test_the_same_request_sent_again_is_answered_and_not_done_again(chamber, baker):
    first, again = (chamber.create(baker, key='"8e03978e-40d5-43dd-bc93-6894a57f9324"') for _ in range(2))
    assert (first.status_code, first.json) == (again.status_code, again.json) == (201, again.json)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert len(made()) == 1


def test_quotes_round_a_key_change_nothing(chamber, baker):
    assert chamber.create(baker, key="abc").json == chamber.create(baker, key='"abc"').json


def test_a_key_is_for_one_request(chamber, baker):
    chamber.create(baker, key="one")
    refused(chamber.create(baker, key="one", title="Tout autre chose"), 422)
    assert len(made()) == 1


def test_a_key_is_of_its_token(chamber, baker, client, market):
    other = holder(client, market, name="Un autre outil")
    agree(baker, other, by=market.speaker(baker))
    chamber.create(baker, key="same")
    assert other.create(baker, key="same", title="Une autre annonce").status_code == 201


def test_what_is_closed_twice_with_one_key_is_closed_once(chamber, baker):
    listing_id = chamber.create(baker).json["id"]
    assert chamber.close(listing_id, key="close").json == chamber.close(listing_id, key="close").json


def test_what_was_refused_may_be_sent_again_with_its_key(chamber, market):
    organisation = market.organisation()
    refused(chamber.create(organisation, key="later"), 403)
    agree(organisation, chamber, by=market.speaker(organisation))
    assert chamber.create(organisation, key="later").status_code == 201


@pytest.mark.parametrize("key", ["", '""', "x" * 65, "a b", "é"])
def test_a_request_without_a_good_key_is_refused(chamber, baker, key):
    refused(chamber.create(baker, key=key), 400)
    assert made() == []


def test_a_key_is_forgotten_after_a_day(chamber, baker, clock):
    chamber.create(baker, key="old")
    clock.move(hours=23)
    assert partners.forget_requests() == 0
    clock.move(hours=2)
    assert chamber.create(baker, key="old", title="Tout autre chose").status_code == 201
    clock.move(hours=25)
    assert partners.forget_requests() == 1


def test_a_request_that_is_being_done_is_not_begun_again(chamber):
    token_id = chamber.token.id
    assert partners._begin(token_id, "busy", "f") is None
    with pytest.raises(partners.KeyUnderWay):
        partners._begin(token_id, "busy", "f")


def test_a_request_whose_process_died_may_be_sent_again(chamber, clock):
    token_id = chamber.token.id
    partners._begin(token_id, "dead", "f")
    clock.move(minutes=2)
    assert partners._begin(token_id, "dead", "f") is None


def test_the_same_request_at_the_same_instant_is_done_once(app, chamber, baker):
    body = {**NEED, "siret": baker.siret}
    headers = {**chamber.proof, "Idempotency-Key": "twice"}

    def send():
        return app.test_client().post(LISTINGS, json=body, headers=headers)

    answers = at_once(app, *[send] * 4)

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert 201 in {answer.status_code for answer in answers}
    assert len(made()) == 1
    assert db.session.scalar(select(func.count()).select_from(PartnerListing)) == 1


def test_a_failure_in_the_middle_leaves_nothing(app, chamber, baker, monkeypatch):
    app.config |= {"TESTING": False, "PROPAGATE_EXCEPTIONS": False}

    def break_down(*_args, **_kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(partners, "_audit", break_down)
    mails = db.session.scalar(select(func.count()).select_from(OutboxMail))
    refused(chamber.create(baker, key="broken"), 500)
    assert made() == []
    assert db.session.scalar(select(func.count()).select_from(OutboxMail)) == mails
    monkeypatch.undo()
    assert chamber.create(baker, key="broken").status_code == 201


# --- Limits ---


def test_a_token_asks_so_often_and_no_more(app, chamber, clock):
    app.config["API_PARTNER_REQUESTS_PER_MINUTE"] = 2
    assert [chamber.get().status_code for _ in range(3)] == [200, 200, 429]
    assert int(chamber.get().headers["Retry-After"]) > 0


def test_guessing_tokens_is_slowed_down(client, clock):
    tried = [
        client.get(LISTINGS, headers={"Authorization": f"Bearer guess{number}"}).status_code
        for number in range(32)
    ]
    assert tried[0] == 401
    assert tried[-1] == 429
