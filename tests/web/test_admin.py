"""The administrator's pages: opening a territory in one form, unlocking somebody's account."""

from html import unescape

import pytest

from marketplace.extensions import db
from marketplace.models import Territory, TerritoryInvitation, User
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE

OPENING = "/administration/territoires/ouvrir"


def text(response):
    return unescape(response.get_data(as_text=True))


@pytest.fixture
def browser(login, market):
    return login(market.admin())


def test_a_territory_is_found_by_its_name_or_a_commune_and_opened(browser, outbox):
    assert "Liffré-Cormier" in text(browser.get(f"{OPENING}?nom=Liffré"))
    sent = {"territoire": LIFFRE_CORMIER, "mode": "a_posteriori", "mail": "lea@epci.example"}
    done = browser.post(f"{OPENING}?nom=Liffré", data=sent)
    assert done.location == f"/territoires/{LIFFRE_CORMIER}/equipe"
    assert db.session.get(Territory, LIFFRE_CORMIER).is_open
    assert outbox.last(to="lea@epci.example").template == "team_invitation"
    assert "lea@epci.example" in text(browser.get(done.location))


@pytest.mark.parametrize(
    "change",
    [{"mail": "lea"}, {"mail": ""}, {"mode": "x"}, {"territoire": "x"}, {"territoire": RENNES_METROPOLE}],
)
def test_a_bad_opening_comes_back_and_opens_nothing(browser, outbox, change):
    sent = {"territoire": LIFFRE_CORMIER, "mode": "a_priori", "mail": "lea@epci.example", **change}
    assert browser.post(f"{OPENING}?nom=Liffré", data=sent).status_code == 422
    assert not db.session.get(Territory, LIFFRE_CORMIER).is_open
    assert (outbox.all(), db.session.query(TerritoryInvitation).count()) == ([], 0)


def test_an_open_territory_is_not_offered(browser, market):
    market.open_territory(LIFFRE_CORMIER)
    assert LIFFRE_CORMIER not in text(browser.get(f"{OPENING}?nom=Liffré-Cormier"))


def test_a_name_that_nobody_knows_says_so(browser):
    assert "Aucun territoire à ouvrir" in text(browser.get(f"{OPENING}?nom=zzzz"))


def test_somebody_who_lost_everything_is_found_and_unlocked(browser, market, outbox):
    person = market.user(name="Ève Roux", second_factor=True)
    page = text(browser.get(f"/administration/comptes?mail={person.email}"))
    assert "Ève Roux" in page
    path = f"/administration/comptes/{person.id}/validation-en-deux-etapes"
    assert browser.post(path, data={"motif": ""}).status_code == 422
    assert db.session.get(User, person.id).second_factor_at is not None
    browser.post(path, data={"motif": "Reconnue au téléphone"})
    db.session.rollback()
    assert db.session.get(User, person.id).second_factor_at is None
    assert "remise à zéro" in outbox.last(to=person.email).subject


def test_an_unknown_address_says_so(browser):
    assert "Aucun compte sous cette adresse" in text(browser.get("/administration/comptes?mail=x@y.example"))


def test_nobody_else_looks_people_up(login, market):
    target = market.user()
    browser = login(market.head())
    assert browser.get(f"/administration/comptes?mail={target.email}").status_code == 403
    path = f"/administration/comptes/{target.id}/validation-en-deux-etapes"
    assert browser.post(path, data={"motif": "x"}).status_code == 403
