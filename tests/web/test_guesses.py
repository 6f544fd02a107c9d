"""What a text lets one guess, on the publishing pages: ticked, told why, and never over one's own choice."""

import re
from html import unescape

import pytest
from sqlalchemy import select

from marketplace.models import Listing, ModerationMode
from marketplace.services import listings as listings_service

NEED, OFFER = "/publier/besoin", "/publier/savoir-faire"
TEXT = "Nous tenons une petite boulangerie, nous débutons et voulons vendre nos gâteaux sur internet."
ANSWERS = {
    "description": TEXT,
    "competence": "",
    "niveau": "2",
    "niveau_propose": "2",
    "lieu": ["aide"],
    "rayon": "15",
    "action": "competence",
}


def said(response):
    return unescape(response.get_data(as_text=True))


def ticked(page, name):
    return re.findall(rf'<input checked[^>]*name="{name}"[^>]*value="([^"]*)"', page)


def hidden(page, name):
    return re.search(rf'name="{name}" type="hidden" value="([^"]*)"', page)[1]


@pytest.fixture
def baker(login, market):
    market.open_territory(mode=ModerationMode.AFTER)
    return login(market.speaker(market.organisation(name="Le Fournil")))


def test_the_level_that_a_text_tells_is_ticked_with_the_words_that_decided(client):
    page = said(client.post(NEED, data=ANSWERS))

    assert ticked(page, "niveau") == ["1"]
    assert "D’après « débutons », nous avons coché « découverte »" in page


def test_an_offer_is_guessed_by_its_own_words(client):
    answers = ANSWERS | {"description": "Je maîtrise bien les boutiques en ligne, je peux montrer la nôtre."}
    page = said(client.post(OFFER, data=answers))

    assert ticked(page, "niveau") == ["3"]


def test_a_proposed_skill_says_which_words_it_was_read_in(client):
    answers = ANSWERS | {"description": "Le WIFI de l’hôtel est le même que celui de la compta."}
    page = said(client.post(NEED, data=answers))

    assert "Sécuriser son Wi-Fi et son réseau (lu : wifi, même" in page


def test_a_level_that_the_person_chose_stays(client):
    page = said(client.post(NEED, data=ANSWERS | {"niveau": "4"}))

    assert ticked(page, "niveau") == ["4"]
    assert "nous avons coché" not in page


def test_a_level_put_back_after_the_proposal_stays(client):
    first = said(client.post(NEED, data=ANSWERS))
    again = {"niveau": "2", "niveau_propose": hidden(first, "niveau_propose")}

    assert ticked(said(client.post(NEED, data=ANSWERS | again)), "niveau") == ["2"]


def test_a_proposal_that_stays_keeps_its_reason_when_the_form_comes_back(client):
    page = said(client.post(NEED, data=ANSWERS | {"niveau": "1", "niveau_propose": "1", "action": "publier"}))

    assert "D’après « débutons »" in page


def test_a_text_that_tells_nothing_ticks_nothing_else(client):
    answers = ANSWERS | {"description": "Vendre nos gâteaux sur internet le samedi."}
    page = said(client.post(NEED, data=answers))

    assert ticked(page, "niveau") == ["2"]
    assert "activite_proposee" not in page


def test_publishing_without_asking_changes_no_level(baker):
    answer = baker.post(NEED, data=ANSWERS | {"competence": "boutique-en-ligne", "action": "publier"})

    assert listings_service.show(int(re.search(r"\d+", answer.location)[0]), to=None).level == 2


def test_a_level_in_a_link_is_a_choice(client):
    page = said(client.get(NEED, query_string={"niveau": "2", "description": TEXT}))

    assert ticked(page, "niveau") == ["2"]


def test_a_text_in_a_link_is_read_at_once(client):
    assert ticked(said(client.get(NEED, query_string={"description": TEXT})), "niveau") == ["1"]


def test_ones_own_listing_keeps_its_level(login, market):
    need = market.need(level=2, description=TEXT)
    person = login(market.speaker(need))
    address = f"/annonces/{need.id}/modifier"
    sent = {"niveau_propose": hidden(said(person.get(address)), "niveau_propose")}

    assert ticked(said(person.post(address, data=ANSWERS | sent)), "niveau") == ["2"]


def test_the_trade_is_proposed_to_whoever_has_no_structure(client):
    page = said(client.post(NEED, data=ANSWERS))

    assert ticked(page, "activite_proposee") == ["10.71C"]
    assert "10.71C – Boulangerie" in page


def test_a_trade_left_ticked_fills_the_structures_form(login, market):
    person = login(market.user())
    sent = ANSWERS | {"competence": "boutique-en-ligne", "action": "publier"}

    assert "activite=10.71C" in person.post(NEED, data=sent | {"activite_proposee": "10.71C"}).location
    assert "activite=" not in person.post(NEED, data=sent | {"activite_proposee": ""}).location
    assert "activite=" not in person.post(NEED, data=sent | {"activite_proposee": "99.99Z"}).location


def test_a_trade_refused_stays_refused(client):
    page = said(client.post(NEED, data=ANSWERS | {"activite_proposee": ""}))

    assert ticked(page, "activite_proposee") == [""]


def test_a_structure_that_is_known_is_not_asked_for_its_trade(baker):
    assert "activite_proposee" not in said(baker.post(NEED, data=ANSWERS))


FLAGGED = ANSWERS | {
    "description": "Appelez le 06 12 34 56 78, voyez https://fournil.example/gateaux, dès 30 € la leçon.",
    "competence": "boutique-en-ligne",
    "action": "publier",
}
QUOTED = ("06 12 34 56 78", "https://fournil.example/gateaux", "30 €")


@pytest.mark.parametrize("page", [NEED, OFFER])
def test_an_author_reads_which_words_make_the_listing_wait(baker, page):
    told = said(baker.post(page, data=FLAGGED | {"simultanes": "1"}))

    assert "Cette annonce attendra un modérateur" in told
    assert all(f"« <strong>{words}</strong> »" in told for words in QUOTED)


def test_the_moderator_sees_what_was_flagged(baker, market, db_session):
    baker.post(NEED, data=FLAGGED | {"action": "confirmer"})
    listing = db_session.scalars(select(Listing)).one()
    with baker.session_transaction() as session:
        session["_user_id"] = market.moderator().get_id()

    told = said(baker.get(f"/moderation/annonces/{listing.id}"))
    assert all(flag in told for flag in ("numéro de téléphone", "lien", "prix"))
