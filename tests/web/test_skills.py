"""The skills' pages: what anybody reads of a skill, and the reference as its administrator edits it."""

import csv
import re
from html import unescape
from io import StringIO

import pytest

from marketplace.models import WordKind
from marketplace.services import skill_editions
from tests.support.builders import CESSON, PARIS, RENNES
from tests.support.world import client_of

EDIT = "/administration/competences/tableur"
SHEET = {
    "nom": "Compter avec un tableur",
    "description": "Le tableur compte à votre place. On apprend les formules et les tris.",
    "niveau_1": "je sais ce qu’est une cellule",
    "niveau_2": "je sais faire un total seul",
    "niveau_3": "je sais croiser deux tableaux",
    "niveau_4": "je sais le montrer à d’autres",
    "proches": ["base-de-donnees"],
}


def said(response):
    return unescape(response.get_data(as_text=True))


@pytest.fixture
def admin(market, login):
    return login(market.admin())


def version(page):
    return re.search(r'name="version" type="hidden" value="([^"]*)"', page)[1]


def test_a_skill_says_what_it_is_and_where_one_stands(client):
    page = said(client.get("/competences/tableur"))

    assert "Le tableur calcule, trie et compare" in page
    assert page.count("« je sais ") == 4
    assert "Compétences proches" in page


def test_what_is_near_a_commune_comes_first_and_the_far_is_left_out(client, market):
    titles = {place: market.offer(skill="tableur", organisation=market.organisation(commune=place)).title
              for place in (PARIS, CESSON, RENNES)}  # fmt: skip
    page = said(client.get("/competences/tableur?commune=Rennes+(35000)"))

    assert page.index(titles[RENNES]) < page.index(titles[CESSON])
    assert titles[PARIS] not in page
    assert titles[PARIS] in said(client.get("/competences/tableur"))


def test_ones_own_commune_is_meant_unless_the_address_says_another(login, market):
    organisation = market.organisation(commune=RENNES)
    person = login(market.speaker(organisation))
    far = market.offer(skill="tableur", organisation=market.organisation(commune=PARIS))

    assert far.title not in said(person.get("/competences/tableur"))
    assert far.title in said(person.get("/competences/tableur?commune=75056"))


def test_a_commune_that_nobody_knows_is_told_at_its_field(client, market):
    offer = market.offer(skill="tableur")
    page = said(client.get("/competences/tableur?commune=Xyzzy"))

    assert "Nous ne connaissons pas cette commune" in page
    assert offer.title in page


def test_the_address_of_a_retired_skill_leads_to_its_successor_for_good(client, market):
    skill_editions.retire("tableur", "base-de-donnees", by=market.admin())

    moved = client.get("/competences/tableur?commune=Rennes")
    assert (moved.status_code, moved.location) == (301, "/competences/base-de-donnees?commune=Rennes")
    assert client.get(moved.location).status_code == 200


def test_an_unknown_skill_is_not_found(client):
    assert client.get("/competences/tricot").status_code == 404


def test_the_reference_is_exported_with_its_edition(client, market):
    word = skill_editions.add_word("tableur", WordKind.BRAND, "=Zorglub()", by=market.admin())
    number = skill_editions.number()

    told = client.get("/competences.json").json
    assert (told["edition"], len(told["skills"])) == (number, 92)
    answer = client.get("/competences.csv")
    assert f"edition-{number}" in answer.headers["Content-Disposition"]
    rows = {row["slug"]: row for row in csv.DictReader(StringIO(said(answer)), delimiter=";")}
    assert word.text in rows["tableur"]["synonyms"]
    assert rows["tableur"]["synonyms"].startswith("'=")  # no formula for the spreadsheet


def test_the_administrator_changes_a_sheet(admin, client):
    sent = SHEET | {"version": version(said(admin.get(EDIT)))}

    assert admin.post(EDIT, data=sent).status_code == 302
    page = said(client.get("/competences/tableur"))
    assert "Compter avec un tableur" in page
    assert "« je sais croiser deux tableaux »" in page


def test_a_change_over_somebody_elses_is_told_and_not_made(admin):
    old = version(said(admin.get(EDIT)))
    admin.post(EDIT, data=SHEET | {"version": old})

    answer = admin.post(EDIT, data=SHEET | {"nom": "Autre nom", "version": old})
    assert answer.status_code == 422
    assert "Quelqu’un a changé cette fiche" in said(answer)
    assert "Autre nom" in said(answer)


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("nom", "", "Remplissez ce champ."),
        ("nom", "x" * 121, "120 caractères au plus"),
        ("niveau_3", "court", "10 caractères au moins"),
        ("proches", "tricot", "Choisissez dans la liste."),
    ],
)
def test_a_wrong_sheet_is_told_at_its_field_and_changes_nothing(admin, field, typed, told):
    answer = admin.post(EDIT, data=SHEET | {"version": "0", field: typed})

    assert answer.status_code == 422
    assert told in said(answer)
    assert skill_editions.number() == 0


def test_a_word_added_leads_to_the_skill_at_once(admin, client):
    admin.post(f"{EDIT}/mots", data={"mot": "Zorglub", "sorte": "brand"})

    answer = client.post(
        "/publier/besoin", data={"description": "zorglub " * 4, "action": "competence", "lieu": "aide"}
    )
    assert 'name="proposition" type="radio" value="tableur"' in said(answer)


def test_a_word_twice_is_told_at_its_field(admin):
    admin.post(f"{EDIT}/mots", data={"mot": "Zorglub", "sorte": "brand"})
    answer = admin.post(f"{EDIT}/mots", data={"mot": "zorglub", "sorte": "synonym"})

    assert answer.status_code == 422
    assert "Ce mot mène déjà" in said(answer)


def test_a_word_of_another_skill_is_not_found_here(admin, market):
    word = skill_editions.add_word("sauvegarde", WordKind.BRAND, "Zorglub", by=market.admin())

    assert admin.post(f"{EDIT}/mots/{word.id}/retirer").status_code == 404
    assert admin.post(f"/administration/competences/sauvegarde/mots/{word.id}/retirer").status_code == 302


def test_a_new_skill_has_its_page_and_its_place_in_the_forms(admin, client):
    address = "/administration/competences/nouvelle"
    made = admin.post(address, data=SHEET | {"nom": "Percer des cartes", "domaine": "bureautique"})

    assert made.location == "/administration/competences/percer-des-cartes"
    assert client.get("/competences/percer-des-cartes").status_code == 200
    assert 'value="percer-des-cartes"' in said(client.get("/publier/besoin"))
    assert admin.post(address, data=SHEET | {"domaine": "tricot"}).status_code == 422


def test_a_retired_skill_leaves_the_forms_and_its_listings_go_on(admin, client, market):
    need = market.need(skill="tableur")
    admin.post(f"{EDIT}/retirer", data={"remplacante": "base-de-donnees"})

    assert 'value="tableur"' not in said(client.get("/publier/besoin"))
    page = client.get(f"/annonces/{need.id}", follow_redirects=True)
    assert "/competences/base-de-donnees" in said(page)
    assert "remplacée par" in said(admin.get("/administration/competences"))
    assert admin.get(EDIT).status_code == 404


def test_links_and_forms_from_before_a_retirement_mean_the_successor(client, login, market):
    skill_editions.retire("tableur", "base-de-donnees", by=market.admin())
    offer = market.offer(skill="base-de-donnees")

    form = said(client.get("/publier/besoin?competence=tableur"))
    assert '<option selected value="base-de-donnees">' in form
    assert offer.title in said(client.get("/savoir-faire?competence=tableur"))
    market.open_territory()
    baker = login(market.speaker(market.organisation()))
    sent = {"description": "Nous voulons compter nos gâteaux sans y passer nos nuits.",
            "competence": "tableur",
            "niveau": "2", "lieu": "aide", "rayon": "15", "action": "publier"}  # fmt: skip
    page = baker.get(baker.post("/publier/besoin", data=sent).location, follow_redirects=True)
    assert "/competences/base-de-donnees" in said(page)


def test_a_skill_does_not_replace_itself(admin):
    assert admin.post(f"{EDIT}/retirer", data={"remplacante": "tableur"}).status_code == 422


def test_the_editions_are_listed_with_who_made_them(admin):
    admin.post(f"{EDIT}/mots", data={"mot": "Zorglub", "sorte": "brand"})
    page = said(admin.get("/administration/competences/editions"))

    assert "« Zorglub » mène à" in page


@pytest.mark.parametrize("path", ["", "/editions", "/nouvelle", "/tableur"])
def test_others_than_the_administrator_see_none_of_it(app, market, path):
    for person, status in ((None, 302), (market.user(), 403), (market.moderator(), 403)):
        answer = client_of(app, person).get(f"/administration/competences{path}")
        assert answer.status_code == status
