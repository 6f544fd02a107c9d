"""Logging in with ProConnect, against a provider that speaks OpenID Connect and can be made to cheat."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import select

from marketplace.adapters import proconnect
from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    ExternalIdentity,
    Membership,
    MembershipState,
    TerritoryRole,
    TerritoryRoleKind,
    User,
)
from tests.support.builders import RENNES_METROPOLE, siret
from tests.support.identity_provider import Provider, identity_provider
from tests.support.services import free_port

START, BACK = "/connexion/proconnect", "/connexion/proconnect/retour"
LEA = {"email": "Lea@Boulangerie.example", "given_name": "Léa", "usual_name": "Pain"}
AGENT_SIRET = "24350013900189"


@pytest.fixture(scope="module")
def running():
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        with identity_provider() as provider:
            yield provider


@pytest.fixture
def provider(running, app) -> Provider:
    """The provider, honest at the start of each test."""
    running.claims, running.metadata, running.is_signed, running.key = {}, {}, True, None
    app.config.update(running.settings())
    proconnect._metadata.forget(running.issuer)
    running.add("lea", **LEA)
    running.asked.clear()
    return running


@pytest.fixture
def come_back(client, provider):
    """Go to the provider as somebody, and return what the site answers once one is back."""

    def go(subject: str = "lea", then: str = "", **changes: str):
        left = client.get(START, query_string={"suite": then} if then else None)
        address = provider.log_in(left.location, subject)
        told = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()} | changes
        return client.get(BACK, query_string=told)

    return go


def people() -> list[User]:
    return list(db.session.scalars(select(User).order_by(User.id)))


def is_in(client) -> bool:
    return client.get("/mon-espace").status_code == 200


# --- Off and on ---


def test_it_is_off_unless_set(client):
    assert client.get(START).status_code == 404
    assert client.get(BACK).status_code == 404
    assert "ProConnect" not in client.get("/connexion").text


def test_the_login_page_offers_it_when_set(client, provider):
    assert f'href="{START}"' in client.get("/connexion").text


def test_one_leaves_with_pkce_a_state_and_a_nonce(client, provider):
    first, second = client.get(START).location, client.get(START).location
    asked = parse_qs(urlsplit(first).query)
    assert first.startswith(provider.issuer)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"http://localhost{BACK}"]
    assert {"openid", "siret", "email"} <= set(asked["scope"][0].split())
    for name in ("state", "nonce", "code_challenge"):
        assert asked[name] != parse_qs(urlsplit(second).query)[name]


@pytest.mark.parametrize("announced", [[], None, ["plain"]])
def test_a_provider_that_knows_no_pkce_is_not_sent_any(client, come_back, provider, announced):
    provider.metadata = {"code_challenge_methods_supported": announced}
    assert "code_challenge" not in client.get(START).location
    assert come_back().location == "/mon-espace"


# --- Coming back ---


def test_somebody_new_gets_an_account_and_is_logged_in(client, come_back):
    response = come_back()
    assert response.location == "/mon-espace"
    (person,) = people()
    assert (person.email, person.name, person.is_confirmed) == ("lea@boulangerie.example", "Pain", True)
    assert is_in(client)


def test_one_goes_on_to_the_page_that_one_wanted_and_nowhere_else(come_back):
    assert come_back(then="/competences").location == "/competences"
    assert come_back(then="https://piege.example/").location == "/mon-espace"


def test_somebody_who_comes_again_is_the_same_person_even_with_another_address(come_back, provider):
    come_back()
    provider.add("lea", **(LEA | {"email": "lea.pain@ailleurs.example"}))
    come_back()
    assert [person.email for person in people()] == ["lea@boulangerie.example"]
    assert len(db.session.scalars(select(ExternalIdentity)).all()) == 1


def test_an_account_with_this_address_is_opened_and_its_owner_told(come_back, market, outbox):
    person = market.user("lea@boulangerie.example", name="Léa Pain")
    come_back()
    assert [each.id for each in people()] == [person.id]
    assert outbox.last(person.email).template == "identity_linked"


def test_a_second_factor_is_asked_for_as_after_a_password(client, come_back, market):
    market.moderator(email="lea@boulangerie.example")
    assert come_back().location == "/connexion/verification"
    assert not is_in(client)


def test_a_password_set_by_whoever_never_confirmed_the_address_does_not_stay(come_back, market):
    squatter = market.user("lea@boulangerie.example", confirmed=False)
    version = squatter.session_version
    come_back()
    assert (squatter.password_hash, squatter.is_confirmed) == ("", True)
    assert squatter.session_version == version + 1


def test_nobody_logs_in_by_an_empty_password(client, come_back):
    come_back()
    client.post("/deconnexion")
    sent = {"mail": "lea@boulangerie.example", "mot_de_passe": ""}
    assert client.post("/connexion", data=sent).status_code == 422
    sent["mot_de_passe"] = "un mot de passe quelconque"
    assert client.post("/connexion", data=sent).status_code == 422


# --- What is refused ---


def refused(client, response) -> bool:
    page = client.get(response.location).text
    return (
        response.location == "/connexion"
        and "n’a pas abouti" in page
        and not is_in(client)
        and people() == []
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "forged"},
        {"state": ""},
        {"code": "forged"},
        {"code": ""},
        {"error": "access_denied"},
        {"iss": "https://other.example"},
        {"state": "é\ud83d".encode("utf-8", "surrogatepass")},
    ],
    ids=str,
)
def test_an_answer_that_does_not_fit_is_refused(client, come_back, changes):
    assert refused(client, come_back(**changes))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"aud": "another-site"},
        {"sub": "somebody else"},
        {"sub": None},
        {"email": ""},
        {"email": None},
        {"email_verified": False},
        {"exp": 1},
        {"azp": "another-site"},
    ],
    ids=str,
)
def test_claims_that_are_not_for_us_or_not_of_this_person_are_refused(client, come_back, provider, claims):
    provider.claims = claims
    assert refused(client, come_back())


def test_claims_that_are_not_signed_are_refused(client, come_back, provider):
    provider.is_signed = False
    assert refused(client, come_back())


def test_claims_signed_by_somebody_else_are_refused(client, come_back, provider):
    provider.key = RSAKey.generate_key(2048, private=True)
    assert refused(client, come_back())


@pytest.mark.parametrize(
    "metadata", [{"issuer": "https://other.example"}, {"token_endpoint": "ftp://x"}, {"jwks_uri": None}]
)
def test_a_provider_that_is_not_the_configured_one_is_refused(client, provider, metadata):
    provider.metadata = metadata
    assert client.get(START).location == "/connexion"
    assert "ne répond pas" in client.get("/connexion").text


def test_an_answer_serves_once(client, provider):
    address = provider.log_in(client.get(START).location, "lea")
    path = address.removeprefix("http://localhost")
    assert client.get(path).location == "/mon-espace"
    client.post("/deconnexion")
    assert client.get(path).location == "/connexion"


def test_an_answer_for_another_browser_is_refused(app, client, provider):
    address = provider.log_in(app.test_client().get(START).location, "lea")
    response = client.get(address.removeprefix("http://localhost"))
    assert refused(client, response)


def test_a_provider_that_is_down_is_told_and_the_password_still_works(client, app, market):
    app.config.update(
        PROCONNECT_ISSUER=f"http://127.0.0.1:{free_port()}",
        PROCONNECT_CLIENT_ID="x",
        PROCONNECT_CLIENT_SECRET="x",
        ADAPTER_TIMEOUT_SECONDS=1,
    )
    assert client.get(START).location == "/connexion"
    page = client.get("/connexion").text
    assert "ProConnect ne répond pas pour le moment" in page
    assert 'name="mot_de_passe"' in page


@pytest.mark.parametrize("status", [429, 500])
def test_a_provider_in_trouble_is_told(client, app, service, status):
    service.status = status
    service.headers = {"Retry-After": "60"}
    app.config.update(
        PROCONNECT_ISSUER=f"http://{service.host}", PROCONNECT_CLIENT_ID="x", PROCONNECT_CLIENT_SECRET="x"
    )
    assert client.get(START).location == "/connexion"
    assert "ne répond pas" in client.get("/connexion").text


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"[" * 50_000, b"x" * 3_000_000])
def test_a_provider_that_speaks_nonsense_is_told(client, app, service, body):
    service.body = body
    app.config.update(
        PROCONNECT_ISSUER=f"http://{service.host}", PROCONNECT_CLIENT_ID="x", PROCONNECT_CLIENT_SECRET="x"
    )
    assert client.get(START).location == "/connexion"


# --- Where they work ---


def test_a_structure_that_is_here_is_asked_to_be_joined_once(come_back, provider, market, outbox):
    firm = market.organisation()
    provider.add("lea", **LEA, siret=firm.siret)
    assert come_back().location == "/mon-espace"
    come_back()
    lea = db.session.scalars(select(User).where(User.email == "lea@boulangerie.example")).one()
    (membership,) = db.session.scalars(select(Membership).where(Membership.user_id == lea.id))
    assert (membership.organisation_id, membership.state) == (firm.id, MembershipState.REQUESTED)
    asked = [mail.template for mail in outbox.to(market.speaker(firm).email)]
    assert asked == ["membership_requested"]


def test_who_was_refused_is_not_asked_for_again(come_back, provider, market):
    firm = market.organisation()
    provider.add("lea", **LEA, siret=firm.siret)
    come_back()
    (membership,) = db.session.scalars(
        select(Membership).where(Membership.state == MembershipState.REQUESTED)
    )
    membership.state = MembershipState.REFUSED
    db.session.commit()
    come_back()
    db.session.refresh(membership)
    assert membership.state is MembershipState.REFUSED


def test_a_structure_that_is_not_here_is_proposed_for_creation(client, come_back, provider):
    provider.add("lea", **LEA, siret=siret(777))
    response = come_back()
    assert response.location == f"/mon-espace/structure/nouvelle?siret={siret(777)}"
    assert "n’est pas encore inscrite" in client.get(response.location).text


@pytest.mark.parametrize("wrong", ["", "123", "12345678901234", None, ["a"]])
def test_a_siret_that_is_none_does_not_stop_anybody(come_back, provider, wrong):
    provider.add("lea", **LEA, siret=wrong)
    assert come_back().location == "/mon-espace"


def test_an_agent_of_the_territory_is_proposed_to_its_head_and_made_nothing(
    come_back, provider, market, outbox
):
    market.open_territory(RENNES_METROPOLE)
    head = market.user()
    db.session.add(
        TerritoryRole(user_id=head.id, territory_siren=RENNES_METROPOLE, role=TerritoryRoleKind.HEAD)
    )
    db.session.commit()
    provider.add("lea", **LEA, siret=AGENT_SIRET)
    come_back()
    come_back()
    (mail,) = outbox.to(head.email)
    assert mail.template == "moderator_proposed"
    assert "lea@boulangerie.example" in mail.text
    roles = db.session.scalars(select(TerritoryRole)).all()
    assert [role.user_id for role in roles] == [head.id]
    actions = db.session.scalars(
        select(AuditEntry.action).where(AuditEntry.territory_siren == RENNES_METROPOLE)
    )
    assert list(actions).count("territory.moderator_proposed") == 1


def test_where_nobody_heads_the_territory_the_administrators_are_told(come_back, provider, market, outbox):
    market.open_territory(RENNES_METROPOLE)
    admin = market.admin()
    provider.add("lea", **LEA, siret=AGENT_SIRET)
    come_back()
    assert [mail.template for mail in outbox.to(admin.email)] == ["moderator_proposed"]


# --- Leaving ---


def test_leaving_offers_to_leave_the_provider_too(client, come_back, provider):
    come_back()
    left = client.post("/deconnexion")
    assert left.location == "/deconnexion/proconnect"
    page = client.get(left.location).text
    assert f"{provider.issuer}/oauth2/end_session?id_token_hint=" in page
    assert "post_logout_redirect_uri=" in page
    address = unescape(re.search(r'href="([^"]*end_session[^"]*)"', page)[1])
    assert len(parse_qs(urlsplit(address).query)["state"][0]) >= 32
    assert not is_in(client)
    assert client.get(left.location).location == "/"


def test_leaving_after_a_password_leads_home(client, login, market, provider):
    login(market.user())
    assert client.post("/deconnexion").location == "/"
