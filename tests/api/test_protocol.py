"""How the API speaks HTTP: caches, other sites, errors, limits, its own description."""

import pytest
from openapi_spec_validator import validate

from marketplace.services import listings as listings_service

LISTINGS = "/api/v1/listings"
PROBLEM = "application/problem+json"


def test_what_has_not_changed_is_not_sent_again(client, market):
    market.need()
    first = client.get(LISTINGS)
    again = client.get(LISTINGS, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]

    market.need()
    changed = client.get(LISTINGS, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_a_cache_asks_each_time(client, market):
    assert client.get(LISTINGS).headers["Cache-Control"] == "no-cache"


def test_pages_of_any_site_may_read(client, market):
    need = market.need()
    for path in (LISTINGS, f"{LISTINGS}/{need.id}", f"{LISTINGS}?limit=0", "/api/v1/nothing"):
        headers = client.get(path, headers={"Origin": "https://france.example"}).headers
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Access-Control-Allow-Credentials" not in headers


def test_a_browser_that_asks_first_is_told_what_is_allowed(client):
    asked = client.options(LISTINGS, headers={"Access-Control-Request-Method": "GET"})
    assert asked.status_code == 200
    assert asked.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"


def test_pages_of_the_site_stay_closed_to_others(client):
    headers = client.get("/").headers
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_head_is_get_without_a_body(client, market):
    market.need()
    head, get = client.head(LISTINGS), client.get(LISTINGS)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == get.headers["ETag"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/api/nothing", {}, 404),
        ("GET", "/api/v1/nothing", {}, 404),
        ("GET", f"{LISTINGS}/2147483648", {}, 404),
        ("GET", f"{LISTINGS}/a%00b", {}, 400),
        ("GET", f"{LISTINGS}?kind=%00", {}, 400),
        ("DELETE", LISTINGS, {}, 405),
        ("POST", LISTINGS, {}, 405),
        ("GET", LISTINGS, {"Accept": "text/csv"}, 406),
        ("GET", f"{LISTINGS}?cursor=forged", {}, 400),
        ("GET", f"{LISTINGS}?limit=many", {}, 422),
    ],
)
def test_every_refusal_is_a_problem(client, method, path, headers, status):
    response = client.open(path, method=method, headers=headers)
    assert (response.status_code, response.mimetype) == (status, PROBLEM)
    told = response.json
    assert told["status"] == status
    assert told["type"].endswith(f"/api#erreur-{status}")
    assert told["title"] and told["detail"]
    assert told["instance"].startswith("/api/")


def test_a_method_that_is_not_possible_tells_those_that_are(client):
    assert set(client.delete(LISTINGS).headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_bug_is_a_problem_that_tells_nothing(app, client, monkeypatch):
    app.config |= {"TESTING": False, "PROPAGATE_EXCEPTIONS": False}

    def break_down(*_args, **_kwargs):
        raise ZeroDivisionError("secret of the inside")

    monkeypatch.setattr(listings_service, "show", break_down)
    response = client.get(f"{LISTINGS}/1")
    assert (response.status_code, response.mimetype) == (500, PROBLEM)
    assert "secret" not in response.text


def test_errors_of_pages_stay_pages(client):
    assert client.get("/nothing").mimetype == "text/html"
    assert client.get("/apiculture").mimetype == "text/html"


def test_one_address_asks_so_often_and_no_more(app, client, clock):
    app.config["API_REQUESTS_PER_MINUTE"] = 3
    for _ in range(3):
        assert client.get("/api/v1/stats").status_code == 200
    refused = client.get("/api/v1/stats")
    assert (refused.status_code, refused.mimetype) == (429, PROBLEM)
    elsewhere = client.get("/api/v1/stats", environ_base={"REMOTE_ADDR": "192.0.2.9"})
    assert elsewhere.status_code == 200

    clock.move(seconds=int(refused.headers["Retry-After"]))
    assert client.get("/api/v1/stats").status_code == 200


def test_its_description_is_valid_openapi(client):
    told = client.get("/api/v1/openapi.json").json
    validate(told)
    assert told["openapi"].startswith("3.1")


def test_its_description_tells_every_address(app, client):
    told = client.get("/api/v1/openapi.json").json["paths"]
    there = {
        rule.rule.replace("<int:", "{").replace(">", "}")
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
    }
    assert set(told) == there - {"/api/v1/openapi.json"}


def test_no_session_begins(client, market):
    assert "Set-Cookie" not in client.get(LISTINGS).headers
