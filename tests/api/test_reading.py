"""What anybody may read by program: listings, skills, territories, figures."""

import json
from urllib.parse import urlsplit

import pytest

from marketplace.models import ListingState, MatchState, Place, SizeClass
from marketplace.services import tokens
from tests.support.builders import CESSON, LIFFRE, RENNES, RENNES_METROPOLE
from tests.support.queries import counted

LISTINGS = "/api/v1/listings"


def ids(response):
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json["data"]]


def next_of(response):
    """Return the path of the next page, None on the last."""
    link = response.headers.get("Link")
    if link is None:
        return None
    address, relation = link.split("; ")
    assert relation == 'rel="next"'
    found = urlsplit(address.strip("<>"))
    return f"{found.path}?{found.query}"


def walk(client, path):
    """Return the ids of all pages."""
    found = []
    while path:
        response = client.get(path)
        found += ids(response)
        path = next_of(response)
    return found


# --- Listings ---


def test_a_listing_is_told_as_its_page_tells_it(client, market):
    firm = market.organisation(name="Le Bon Pain", commune=CESSON, sector="10.71C")
    need = market.need(
        organisation=firm, title="Vendre mes confitures", extra_skills=("tableur",),
        places=int(Place.LEARNER | Place.REMOTE), availability=0b1001, avoid_competitors=True,
    )  # fmt: skip

    told = client.get(f"{LISTINGS}/{need.id}").json

    assert told["kind"] == "need"
    assert told["title"] == "Vendre mes confitures"
    assert told["skill"]["slug"] == "boutique-en-ligne"
    assert [skill["slug"] for skill in told["extra_skills"]] == ["tableur"]
    assert told["organisation"]["name"] == "Le Bon Pain"
    assert told["organisation"]["sector"]["code"] == "10.71C"
    assert told["commune"] == {"insee": CESSON, "name": "Cesson-Sévigné"}
    assert told["territory"] == {"siren": RENNES_METROPOLE, "name": "Rennes Métropole"}
    assert told["places"] == ["learner", "remote"]
    assert told["half_days"] == ["monday-morning", "tuesday-afternoon"]
    assert (told["urgency"], told["capacity"], told["places_left"]) == (1, None, 1)
    assert told["competitors_refused_within_km"] == 10
    assert client.get(urlsplit(told["url"]).path, follow_redirects=True).status_code == 200


def test_nothing_of_a_person_is_told(client, market):
    author = market.user("lea@boulangerie.example", name="Léa Painsecret", phone="0612345678")
    firm = market.organisation(manager=author, address="3 impasse du Four")
    need, offer = market.need(organisation=firm), market.offer()

    answers = [
        client.get(path).text
        for path in (
            LISTINGS, f"{LISTINGS}/{need.id}", f"{LISTINGS}/{need.id}/explain",
            f"/api/v1/explain?need={need.id}&offer={offer.id}", "/api/v1/stats",
        )
    ]  # fmt: skip

    for secret in ("lea@", "Painsecret", "0612345678", "impasse", firm.siret, str(firm.lat)):
        assert not any(secret in answer for answer in answers)


def test_only_what_is_online_is_listed(client, market):
    online = market.need()
    for state in (ListingState.DRAFT, ListingState.PENDING, ListingState.PAUSED, ListingState.REMOVED):
        hidden = market.need(state=state)
        assert client.get(f"{LISTINGS}/{hidden.id}").status_code == 404
    assert ids(client.get(LISTINGS)) == [online.id]


def test_a_listing_of_a_suspended_structure_is_not_told(client, market, clock):
    need = market.need(organisation=market.organisation(suspended_at=clock.now))
    assert ids(client.get(LISTINGS)) == []
    assert client.get(f"{LISTINGS}/{need.id}").status_code == 404


def test_a_listing_that_is_over_is_gone(client, market):
    over = market.need(state=ListingState.EXPIRED)
    assert client.get(f"{LISTINGS}/{over.id}").status_code == 410


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["offer", "need"]),
        ("kind=need", ["need"]),
        ("kind=offer", ["offer"]),
        ("skill=tableur", ["need"]),
        ("skill=agenda-partage", ["need"]),
        ("domain=bureautique", ["need"]),
        (f"territory={RENNES_METROPOLE}", ["need"]),
        (f"commune={CESSON}&radius=5", ["need"]),
        (f"commune={CESSON}&radius=200", ["offer", "need"]),
        ("sector=C", ["need"]),
        ("sector=10.71", ["need"]),
        ("size=10-49", ["need"]),
        ("venue=remote", ["need"]),
        ("venue=on_site", ["offer"]),
        ("published_since=2999-12-31", []),
        ("published_since=0001-01-01", ["offer", "need"]),
        ("skill=tableur&venue=on_site", []),
    ],
)
def test_each_filter_narrows_the_list(client, market, clock, query, expected):
    baker = market.organisation(commune=CESSON, sector="10.71C", size_class=SizeClass.SMALL)
    need = market.need(
        organisation=baker, skill="tableur", extra_skills=("agenda-partage",), places=int(Place.REMOTE)
    )
    clock.move(seconds=5)
    offer = market.offer(organisation=market.organisation(commune=LIFFRE))
    names = {need.id: "need", offer.id: "offer"}

    assert [names[key] for key in ids(client.get(f"{LISTINGS}?{query}"))] == expected


def test_around_a_commune_the_distance_is_told_to_the_kilometre(client, market):
    market.need(organisation=market.organisation(commune=CESSON))
    (told,) = client.get(f"{LISTINGS}?commune={RENNES}&fields=distance_km").json["data"]
    assert told == {"distance_km": 6}


def test_fields_leave_out_what_was_not_asked_for(client, market):
    need = market.need(title="Vendre mes confitures")
    (told,) = client.get(f"{LISTINGS}?fields=title,id").json["data"]
    assert told == {"id": need.id, "title": "Vendre mes confitures"}


# --- Pages ---


def test_pages_follow_each_other_without_a_gap_or_a_double(client, market, clock):
    made = []
    for number in range(7):
        clock.move(seconds=number % 2)  # some at the same second
        made.append((market.need() if number % 3 else market.offer()).id)

    assert walk(client, f"{LISTINGS}?limit=3") == sorted(made, reverse=True)


def test_what_comes_meanwhile_moves_nothing_on_the_next_pages(client, market, clock):
    first = [market.need().id for _ in range(4)]
    page = client.get(f"{LISTINGS}?limit=2")
    clock.move(minutes=1)
    market.need()

    assert ids(page) + walk(client, next_of(page)) == first[::-1]


@pytest.mark.parametrize("path", ["/api/v1/skills", "/api/v1/territories?department=35"])
def test_skills_and_territories_have_pages_too(client, path):
    key = "slug" if "skills" in path else "siren"
    join = "&" if "?" in path else "?"

    def all_of(size):
        found, at = [], f"{path}{join}limit={size}"
        while at:
            response = client.get(at)
            found += [row[key] for row in response.json["data"]]
            at = next_of(response)
        return found

    assert all_of(7) == all_of(100) == sorted(set(all_of(100)))


@pytest.mark.parametrize("cursor", ["abc", "WyJhIl0.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb", "é" * 100])
def test_a_forged_cursor_is_refused(client, cursor):
    response = client.get(LISTINGS, query_string={"cursor": cursor})
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")


def test_a_cursor_of_another_list_or_of_last_week_is_refused(client, market, clock):
    for _ in range(2):
        market.need()
    cursor = next_of(client.get(f"{LISTINGS}?limit=1")).split("cursor=")[1]
    assert client.get(f"/api/v1/skills?cursor={cursor}").status_code == 400
    clock.move(days=7)
    assert client.get(f"{LISTINGS}?cursor={cursor}").status_code == 400


def test_a_cursor_does_not_tell_more_than_the_list(app, client, market):
    market.need(), market.need()
    cursor = next_of(client.get(f"{LISTINGS}?limit=1")).split("cursor=")[1]
    moment, key = tokens.read("cursor:api.listings_online", cursor, max_age=60)
    assert (moment, int(key)) == (client.get(LISTINGS).json["data"][0]["published_at"].replace("Z", "+00:00"),
                                  client.get(LISTINGS).json["data"][0]["id"])  # fmt: skip


# --- Skills, territories, figures ---


def test_a_skill_tells_what_is_online_about_it(client, market):
    market.need(skill="tableur"), market.offer(skill="tableur"), market.offer(skill="tableur")
    rows = client.get("/api/v1/skills?domain=bureautique&limit=100").json["data"]
    (told,) = [row for row in rows if row["slug"] == "tableur"]
    assert (told["domain"], told["needs"], told["offers"]) == ("bureautique", 1, 2)
    assert {row["domain"] for row in rows} == {"bureautique"}


def test_a_territory_tells_what_is_online_there(client, market):
    market.open_territory()
    market.need(), market.offer(), market.need(organisation=market.organisation(commune=LIFFRE))
    (told,) = client.get("/api/v1/territories?open=true").json["data"]
    assert (told["siren"], told["needs"], told["offers"], told["department"]) == (
        RENNES_METROPOLE,
        1,
        1,
        "35",
    )
    assert RENNES_METROPOLE not in [
        row["siren"] for row in client.get("/api/v1/territories?open=false&department=35").json["data"]
    ]


def test_figures_are_of_a_territory_or_of_all(client, market):
    firm = market.organisation()
    market.need(organisation=firm, skill="tableur"), market.offer(organisation=firm)
    market.need(organisation=market.organisation(commune=LIFFRE))
    market.match(
        need=market.need(state=ListingState.FULFILLED), offer=market.offer(), state=MatchState.COMPLETED
    )

    here, everywhere = (
        client.get(f"/api/v1/stats{query}").json for query in (f"?territory={RENNES_METROPOLE}", "")
    )

    assert (here["needs"], here["offers"], here["organisations"], here["completed_exchanges"]) == (1, 2, 2, 1)
    assert (everywhere["needs"], everywhere["organisations"]) == (2, 3)
    assert {"skill": "tableur", "needs": 1, "offers": 0} in here["skills"]


# --- Refusals ---


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        (f"{LISTINGS}?limit=0", 422, "limit"),
        (f"{LISTINGS}?limit=101", 422, "limit"),
        (f"{LISTINGS}?limit={'9' * 5000}", 422, "limit"),
        (f"{LISTINGS}?limit=２", 422, "limit"),
        (f"{LISTINGS}?limit=1e1", 422, "limit"),
        (f"{LISTINGS}?kind=besoin", 422, "kind"),
        (f"{LISTINGS}?fields=titre", 422, "fields"),
        (f"{LISTINGS}?fields=author", 422, "fields"),
        (f"{LISTINGS}?territory=1", 422, "territory"),
        (f"{LISTINGS}?territory=000000000", 404, "territory"),
        (f"{LISTINGS}?skill=sorcellerie", 404, "skill"),
        (f"{LISTINGS}?commune=99999", 404, "commune"),
        (f"{LISTINGS}?radius=5", 422, "radius"),
        (f"{LISTINGS}?commune={RENNES}&radius=201", 422, "radius"),
        (f"{LISTINGS}?published_since=hier", 422, "published_since"),
        (f"{LISTINGS}?competence=tableur", 422, "competence"),
        ("/api/v1/skills?domain=sorcellerie", 404, "domain"),
        ("/api/v1/territories?department=99", 404, "department"),
        ("/api/v1/stats?territory=000000000", 404, "territory"),
    ],
)
def test_a_wrong_value_is_refused_at_its_name(client, path, status, field):
    response = client.get(path)
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert [error["field"] for error in response.json["errors"]] == [field]
    assert response.json["errors"][0]["message"][-1] in ".]$)"


# --- What it costs ---


def test_a_page_of_many_asks_no_more_than_a_page_of_one(client, market):
    market.need(extra_skills=("tableur",))
    paths = (
        f"{LISTINGS}?limit=100",
        "/api/v1/skills?limit=100",
        "/api/v1/territories?limit=100",
        "/api/v1/stats",
    )

    def asked():
        told = []
        for path in paths:
            with counted() as count:
                client.get(path)
            told.append(int(count))
        return told

    asked()  # what is read once per process
    before = asked()
    with market.in_one_transaction():
        for number in range(12):
            firm = market.organisation(commune=(RENNES, CESSON, LIFFRE)[number % 3])
            market.need(organisation=firm, extra_skills=("tableur", "agenda-partage"))
            market.offer(organisation=firm, skill="site-vitrine")
    assert asked() == before
    assert max(before) <= 6


def test_json_is_what_it_says(client, market):
    market.need()
    response = client.get(LISTINGS)
    assert response.mimetype == "application/json"
    assert json.loads(response.data) == response.json
