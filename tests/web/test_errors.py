"""Each refusal becomes a page: the right status, and a French sentence that says what to do."""

import logging

import pytest
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from marketplace.models import InvalidTransition
from marketplace.services import errors
from marketplace.web.errors import SERVICE_MESSAGES
from tests.support.world import World


@pytest.fixture
def page_that_raises(app, client, monkeypatch):
    """Return the answer of a page whose service raises `error`."""

    def get(error: Exception):
        def view():
            raise error

        monkeypatch.setitem(app.view_functions, "public.legal", view)
        return client.get("/mentions-legales")

    return get


@pytest.fixture
def in_production(app):
    """Let errors become pages, as they do outside tests."""
    app.config |= {"TESTING": False, "PROPAGATE_EXCEPTIONS": False}


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (errors.NotFound("listing 7"), 404, "Page introuvable"),
        (errors.NotAllowed("the organisation is suspended"), 403, "Accès refusé"),
        (errors.TokenExpired("confirm"), 410, "Lien périmé"),
        (errors.CapacityReached("listing 7"), 409, "Toutes les places sont prises"),
        (errors.AlreadyMatched("listing 7"), 409, "déjà en relation"),
        (errors.PairRefused("need 1, offer 2"), 409, "Mise en relation impossible"),
        (errors.PairExcluded(("radius",)), 409, "ne vont pas ensemble"),
        (errors.AlreadyDecided("published"), 409, "Déjà décidé"),
        (InvalidTransition("match 7", "declined", "agreed"), 409, "plus possible"),
        (errors.OutsideSilent("the company register"), 503, "ne répond pas"),
        (errors.TooManyAttempts(600), 429, "Trop d’essais"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_a_service_refuses_has_its_page(page_that_raises, error, status, words):
    response = page_that_raises(error)
    assert response.status_code == status
    assert words in response.text
    assert str(error) not in response.text


def test_every_refusal_of_a_service_has_a_page():
    """But FieldError, which a route puts at its field."""
    refusals = set(errors.ServiceError.__subclasses__()) - {errors.FieldError, errors.TooManyAttempts}
    assert refusals <= set(SERVICE_MESSAGES)


def test_somebody_who_tried_too_often_is_told_how_long_to_wait(page_that_raises):
    assert page_that_raises(errors.TooManyAttempts(600)).headers["Retry-After"] == "600"


def test_a_busy_database_asks_for_another_try(page_that_raises):
    response = page_that_raises(OperationalError("SELECT 1", {}, Exception("database is locked")))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "60")
    assert "Réessayez" in response.text
    assert "locked" not in response.text


def test_an_unforeseen_error_shows_a_page_and_keeps_its_details_for_the_log(
    in_production, page_that_raises, caplog
):
    with caplog.at_level(logging.ERROR):
        response = page_that_raises(RuntimeError("secret details"))
    assert response.status_code == 500
    assert "Ce n’est pas de votre fait" in response.text
    assert "secret details" not in response.text
    assert "secret details" in caplog.text


def test_after_an_error_the_next_page_works(in_production, page_that_raises, client):
    page_that_raises(RuntimeError("boom"))
    assert client.get("/").status_code == 200


def test_an_unknown_address_is_a_page_of_the_site(client):
    response = client.get("/nulle-part")
    assert response.status_code == 404
    assert 'lang="fr"' in response.text
    assert 'href="/"' in response.text


def test_a_page_that_only_takes_forms_says_which_way_it_opens(client):
    response = client.get("/deconnexion")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert "Action impossible" in response.text


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 410, 413, 414, 415, 418, 422, 429, 451, 500, 502, 503]
)
def test_every_status_has_a_page_in_french(page_that_raises, in_production, status):
    class Refusal(HTTPException):
        code = status
        description = "english words"

    response = page_that_raises(Refusal())
    assert response.status_code == status
    assert f"Code {status}" in response.text
    assert "english words" not in response.text


@pytest.mark.parametrize("broken", ["1", "1.2.3", "x.1", "9" * 40 + ".1", "٣.1", "-1.1", ".", "²", "1\x00.1"])
def test_a_session_that_makes_no_sense_is_that_of_a_visitor(client, broken):
    with client.session_transaction() as session:
        session["_user_id"] = broken
    assert client.get("/mon-espace").status_code == 302
    assert client.get("/").status_code == 200


def test_a_session_of_before_the_password_changed_is_over(client, market, login):
    user = market.user()
    login(user)
    assert client.get("/mon-espace").status_code == 200
    user.session_version += 1
    market.user()  # commits
    assert client.get("/mon-espace").status_code == 302


def test_a_cookie_that_was_tampered_with_is_that_of_a_visitor(app, market):
    world = World(market)
    client = app.test_client()
    client.set_cookie("session", "eyJfdXNlcl9pZCI6IjEuMSJ9.aaaa.bbbb")
    client.set_cookie("remember", "1.1|0000")
    assert client.get(world.path("matches.show")).status_code == 302
