"""The team's pages: what a head, a moderator and an invited person get."""

from html import unescape

import pytest

from marketplace.extensions import db
from marketplace.models import TerritoryRole, TerritoryRoleKind
from marketplace.services import team
from tests.support.builders import PASSWORD, RENNES_METROPOLE

PAGE = f"/territoires/{RENNES_METROPOLE}/equipe"
LEA = "lea@epci.example"


def text(response):
    return unescape(response.get_data(as_text=True))


@pytest.fixture
def head(market):
    return market.head(name="Ève Roux")


@pytest.fixture
def browser(login, head):
    return login(head)


def invite(browser, mail=LEA, role="moderator"):
    return browser.post(f"{PAGE}/inviter", data={"mail": mail, "role": role})


def test_the_head_invites_from_the_page(browser, outbox):
    assert invite(browser).location == PAGE
    page = text(browser.get(PAGE))
    assert f"L’invitation est partie à {LEA}" in page
    assert "Invitations sans réponse" in page
    assert outbox.last(to=LEA).template == "team_invitation"


@pytest.mark.parametrize(
    ("mail", "role", "told"),
    [
        ("lea", "head", "n’est pas complète"),
        ("", "head", "Remplissez"),
        (LEA, "king", "de la liste"),
        (LEA, "", "de la liste"),
    ],
)
def test_a_bad_invitation_comes_back_with_its_message(browser, outbox, mail, role, told):
    answer = invite(browser, mail, role)
    assert answer.status_code == 422
    assert told in text(answer)
    assert outbox.all() == []


def test_a_member_cannot_be_invited_again(browser, market):
    answer = invite(browser, market.moderator().email)
    assert (answer.status_code, team.ALREADY_THERE in text(answer)) == (422, True)


def test_a_newcomer_opens_an_account_and_comes_back_to_the_invitation(browser, app, outbox):
    invite(browser)
    client = app.test_client()
    link = outbox.link(outbox.last(to=LEA))
    page = text(client.get(link))
    assert f"/inscription?suite={link}" in page.replace("%2F", "/")
    client.post(f"/inscription?suite={link}", data={"nom": "Léa Pain", "mail": LEA, "mot_de_passe": PASSWORD})
    assert client.post(outbox.link(outbox.last(to=LEA))).location == link
    assert "Rejoindre l’équipe" in text(client.get(link))
    assert client.post(link).location == PAGE


def test_somebody_under_another_address_is_told_so(browser, app, market, outbox):
    invite(browser)
    link, other = outbox.link(outbox.last(to=LEA)), market.user()
    client = app.test_client()
    client.post("/connexion", data={"mail": other.email, "mot_de_passe": PASSWORD})
    assert f"L’invitation est pour {LEA}" in text(client.get(link))
    assert client.post(link).status_code == 403


def test_a_link_that_is_over_says_so(browser, outbox):
    invite(browser)
    link = outbox.link(outbox.last(to=LEA))
    row = team.read_invitation(link.rpartition("/")[2])
    browser.post(f"{PAGE}/invitations/{row.id}/retirer")
    for answer in (browser.get(link), browser.post(link)):
        assert (answer.status_code, "n’est plus valable" in text(answer)) == (410, True)


def test_the_head_changes_and_takes_back_a_role(browser, market):
    member = market.moderator()
    browser.post(f"{PAGE}/{member.id}/role", data={"role": "head"})
    assert db.session.get(TerritoryRole, (member.id, RENNES_METROPOLE)).role is TerritoryRoleKind.HEAD
    browser.post(f"{PAGE}/{member.id}/retirer")
    db.session.rollback()
    assert db.session.get(TerritoryRole, (member.id, RENNES_METROPOLE)) is None


def test_a_role_that_does_not_exist_changes_nothing(browser, market):
    member = market.moderator()
    browser.post(f"{PAGE}/{member.id}/role", data={"role": "king"})
    assert db.session.get(TerritoryRole, (member.id, RENNES_METROPOLE)).role is TerritoryRoleKind.MODERATOR


def test_the_last_head_is_told_why_they_cannot_leave(browser, head):
    browser.post(f"{PAGE}/{head.id}/retirer")
    assert team.LAST_HEAD in text(browser.get(PAGE))


def test_whoever_leaves_lands_on_the_territory(browser, head, market):
    market.head()
    assert browser.post(f"{PAGE}/{head.id}/retirer").location == f"/territoires/{RENNES_METROPOLE}"


def test_a_moderator_sees_who_is_there_and_no_form(login, market, head):
    page = text(login(market.moderator()).get(PAGE))
    assert "Ève Roux" in page
    assert "Inviter quelqu’un" not in page
    assert "Quitter l’équipe" in page
    assert "Nommer" not in page


def test_the_page_says_whose_role_sleeps(browser, market):
    market.moderator(second_factor=False)
    assert "sans validation en deux étapes" in text(browser.get(PAGE))
