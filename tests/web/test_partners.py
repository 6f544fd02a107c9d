"""The pages where a territory gives tokens to partners, and a structure lets them publish for it."""

import re

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import AuditEntry, PartnerConsent, PartnerToken
from marketplace.services import partners
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE
from tests.support.partners import LISTINGS, agree, holder

PAGE = f"/territoires/{RENNES_METROPOLE}/partenaires"
FORM = {"nom": "Chambre de métiers", "droits": ["listings:read-own", "listings:write"], "duree": "90"}


@pytest.fixture
def moderator(market, login):
    market.open_territory()
    return login(market.moderator())


def tokens():
    db.session.rollback()
    return list(db.session.scalars(select(PartnerToken).order_by(PartnerToken.id)))


def secret_on(page):
    return re.search(r"bsf_[a-z0-9]{8}_[\w-]{43}", page)


def test_a_token_is_shown_once_and_works(moderator, app):
    answer = moderator.post(PAGE, data=FORM).text
    secret = secret_on(answer)[0]
    assert app.test_client().get(LISTINGS, headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    again = moderator.get(PAGE).text
    assert secret_on(again) is None
    assert f"bsf_{tokens()[0].prefix}…" in again


def test_the_secret_itself_is_kept_nowhere(moderator):
    secret = secret_on(moderator.post(PAGE, data=FORM).text)[0]
    (token,) = tokens()
    kept = [str(vars(token))] + [str(line.after) for line in db.session.scalars(select(AuditEntry))]
    assert not any(secret in text or secret[13:] in text for text in kept)
    assert len(token.sha256) == 64


def test_the_page_tells_when_a_token_was_last_used(moderator, app, clock):
    secret = secret_on(moderator.post(PAGE, data=FORM).text)[0]
    assert "jamais" in moderator.get(PAGE).text
    app.test_client().get(LISTINGS, headers={"Authorization": f"Bearer {secret}"})
    clock.move(minutes=5)
    page = moderator.get(PAGE).text
    assert "jamais" not in page
    assert "il y a 5 minutes" in page


def test_a_token_is_taken_back(moderator):
    moderator.post(PAGE, data=FORM)
    (token,) = tokens()
    moderator.post(f"{PAGE}/jetons/{token.id}/retirer")
    (token,) = tokens()
    assert token.revoked_at is not None
    assert "Retiré" in moderator.get(PAGE).text
    actions = db.session.scalars(
        select(AuditEntry.action).where(AuditEntry.action.like("partner.%")).order_by(AuditEntry.id)
    )
    assert list(actions) == ["partner.token_issued", "partner.token_revoked"]


def test_the_same_name_is_the_same_partner(moderator):
    for _ in range(2):
        moderator.post(PAGE, data=FORM)
    assert len({token.partner_id for token in tokens()}) == 1
    assert moderator.get(PAGE).text.count("<h3>") == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"nom": ""}, "Remplissez ce champ."),
        ({"nom": "x" * 81}, "80 caractères au plus"),
        ({"droits": []}, "Cochez au moins un droit."),
        ({"droits": ["everything"]}, "Choisissez dans la liste."),
        ({"duree": "100000"}, "Choisissez une réponse de la liste."),
        ({"duree": "x"}, "Choisissez une réponse de la liste."),
    ],
)
def test_a_wrong_form_comes_back_and_gives_no_token(moderator, wrong, message):
    answer = moderator.post(PAGE, data={**FORM, **wrong})
    assert answer.status_code == 422
    assert message in answer.text
    assert tokens() == []


def test_a_partner_has_so_many_tokens_and_no_more(moderator, monkeypatch):
    monkeypatch.setattr(partners, "TOKENS_MAX", 1)
    moderator.post(PAGE, data=FORM)
    assert moderator.post(PAGE, data=FORM).status_code == 422
    assert len(tokens()) == 1


def test_a_token_of_another_territory_is_not_found(market, client, login, moderator):
    theirs = holder(client, market, siren=LIFFRE_CORMIER)
    answer = moderator.post(f"{PAGE}/jetons/{theirs.token.id}/retirer")
    assert answer.status_code == 404
    assert tokens()[0].revoked_at is None


def test_a_structure_gives_and_takes_back_its_accord(market, login, client, app):
    chamber = holder(app.test_client(), market)
    organisation = market.organisation()
    login(market.speaker(organisation))
    page = f"/mon-espace/structure/{organisation.id}/partenaires"
    assert "Chambre de métiers" in client.get(page).text

    client.post(f"{page}/{chamber.token.partner_id}", data={"reponse": "accepter"})
    assert "Accord donné le" in client.get(page).text
    assert chamber.create(organisation).status_code == 201

    client.post(f"{page}/{chamber.token.partner_id}", data={"reponse": "retirer"})
    assert chamber.create(organisation).status_code == 403
    actions = db.session.scalars(
        select(AuditEntry.action).where(AuditEntry.action.like("partner.consent%")).order_by(AuditEntry.id)
    )
    assert list(actions) == ["partner.consent_given", "partner.consent_withdrawn"]


def test_an_accord_given_twice_is_one(market, client):
    chamber, organisation = holder(client, market), market.organisation()
    for _ in range(2):
        agree(organisation, chamber, by=market.speaker(organisation))
    assert len(db.session.scalars(select(PartnerConsent)).all()) == 1


def test_only_partners_of_ones_territory_are_offered(market, login, client, app):
    elsewhere = holder(app.test_client(), market, siren=LIFFRE_CORMIER, name="Outil de Liffré")
    organisation = market.organisation()
    login(market.speaker(organisation))
    page = f"/mon-espace/structure/{organisation.id}/partenaires"
    assert "Outil de Liffré" not in client.get(page).text
    answer = client.post(f"{page}/{elsewhere.token.partner_id}", data={"reponse": "accepter"})
    assert answer.status_code == 404


def test_an_employee_does_not_answer_for_the_structure(market, login, client, app):
    chamber, organisation = holder(app.test_client(), market), market.organisation()
    login(market.employee(organisation))
    page = f"/mon-espace/structure/{organisation.id}/partenaires"
    assert client.get(page).status_code == 404
    answer = client.post(f"{page}/{chamber.token.partner_id}", data={"reponse": "accepter"})
    assert answer.status_code == 404
    assert db.session.scalars(select(PartnerConsent)).all() == []


def test_an_answer_that_is_none_is_refused(market, login, client, app):
    chamber, organisation = holder(app.test_client(), market), market.organisation()
    login(market.speaker(organisation))
    page = f"/mon-espace/structure/{organisation.id}/partenaires/{chamber.token.partner_id}"
    assert client.post(page, data={"reponse": "peut-être"}).status_code == 400
