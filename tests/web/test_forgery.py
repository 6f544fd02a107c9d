"""No form is obeyed without the token of the session that it was made for."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import AuditEntry, OutboxMail
from tests.support.world import World, acts_of, client_of


@pytest.fixture
def world(app, market) -> World:
    app.config["WTF_CSRF_ENABLED"] = True
    return World(market)


@pytest.fixture
def reader(app, world) -> FlaskClient:
    """Somebody whom no page turns away."""
    return client_of(app, world.everything())


# A mail program posts it without a session (RFC 8058): the signed token in the address is the proof.
# Partners prove theirs by a token in a header, which no browser adds by itself.
PROVEN_OTHERWISE = {"search.stop", "partner_api.create", "partner_api.close"}


def token_of(client: FlaskClient) -> str:
    page = client.get("/mot-de-passe-oublie").text
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found is not None
    return found[1]


def written() -> list[int]:
    return [
        db.session.scalar(select(func.count()).select_from(table)) or 0 for table in (AuditEntry, OutboxMail)
    ]


@pytest.mark.parametrize("token", ["missing", "made up", "of somebody else"])
def test_a_form_without_its_token_does_nothing(app, world, reader, token):
    stranger = client_of(app, None)
    sent = {
        "missing": {},
        "made up": {"csrf_token": "IjEyMyI.aaaa.bbbb"},
        "of somebody else": {"csrf_token": token_of(stranger)},
    }[token]
    for act in acts_of(app):
        if act.method != "POST" or act.endpoint in PROVEN_OTHERWISE:
            continue
        path, form = world.path(act.endpoint), world.form(act.endpoint)
        before = written()
        response = reader.post(path, data={**form, **sent})
        assert (response.status_code, written()) == (400, before), act
        assert "La page a expiré" in response.text


def test_a_form_with_its_token_is_obeyed(app, world, reader):
    for act in acts_of(app):
        if act.method == "POST":
            sent = {**world.form(act.endpoint), "csrf_token": token_of(reader)}
            assert reader.post(world.path(act.endpoint), data=sent).status_code != 400, act


def test_a_token_does_not_outlive_the_login(app, world):
    """A token planted in a visitor's session must not serve once they are logged in."""
    client = client_of(app, None)
    planted = token_of(client)
    client.post("/connexion", data={**world.form("accounts.login"), "csrf_token": planted})
    assert client.get("/mon-espace").status_code == 200
    assert client.post("/deconnexion", data={"csrf_token": planted}).status_code == 400


def test_the_page_of_every_form_carries_a_token(app, world, reader):
    for act in acts_of(app):
        if act.method == "GET":
            answer = reader.get(world.path(act.endpoint), follow_redirects=True)
            page = answer.text if answer.mimetype == "text/html" else ""
            forms = re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL | re.IGNORECASE)
            assert all('name="csrf_token"' in form for form in forms), act
