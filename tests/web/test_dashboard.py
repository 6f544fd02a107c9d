"""The dashboard of a territory as people meet it: page, sheet, files."""

import csv
from io import StringIO

import pytest

from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE

PATH = f"/territoires/{RENNES_METROPOLE}/tableau-de-bord"


def file_of(client, name, query=""):
    """Return the lines of a file, cells apart."""
    response = client.get(f"{PATH}/{name}.csv{query}")
    assert response.status_code == 200
    text = response.get_data().decode("utf-8-sig")
    return list(csv.reader(StringIO(text), delimiter=";"))


def test_the_page_of_an_empty_territory_says_so_kindly(client):
    page = client.get(PATH)

    assert page.status_code == 200
    assert "Rien ne manque aujourd’hui" in page.text
    assert "Trop peu de territoires" in page.text


def test_the_territory_leads_to_its_dashboard(client):
    assert f'href="{PATH}"' in client.get(f"/territoires/{RENNES_METROPOLE}").text


def test_the_public_reads_words_where_a_moderator_reads_numbers(client, login, market):
    moderator = market.moderator()
    for _ in range(3):
        market.need()

    assert file_of(client, "tension")[1][1] == "moins de 5"
    login(moderator)
    assert file_of(client, "tension")[1][1] == "3"
    assert file_of(client, "tension", "?vue=publique")[1][1] == "moins de 5"


@pytest.mark.parametrize("name", ["mois", "tension", "reserve", "attente", "communes", "comparaison"])
def test_every_table_of_the_page_is_a_file(client, market, name):
    market.need()
    market.offer(skill="tableur")

    header, *rows = file_of(client, name)
    assert all(len(row) == len(header) for row in rows)
    assert f"{PATH}/{name}.csv" in client.get(PATH).text or not rows


def test_a_file_is_one_that_spreadsheets_in_french_read(client):
    response = client.get(f"{PATH}/mois.csv")

    assert response.get_data().startswith(b"\xef\xbb\xbfMois;")
    assert response.mimetype == "text/csv"
    assert f'filename="{RENNES_METROPOLE}-mois.csv"' in response.headers["Content-Disposition"]


def test_a_name_that_a_spreadsheet_would_run_is_kept_from_running(client, login, market, db_session):
    market.need()
    skill = market.skill("boutique-en-ligne")
    label, skill.label = skill.label, "=HYPERLINK(1)"
    db_session.commit()
    try:
        assert file_of(login(market.admin()), "tension")[1][0] == "'=HYPERLINK(1)"
    finally:
        market.skill("boutique-en-ligne").label = label
        db_session.commit()


def test_the_delays_of_moderation_are_no_public_file(client, login, market):
    assert client.get(f"{PATH}/moderation.csv").status_code == 404
    assert login(market.moderator(LIFFRE_CORMIER)).get(f"{PATH}/moderation.csv").status_code == 404
    assert login(market.moderator()).get(f"{PATH}/moderation.csv").status_code == 200


@pytest.mark.parametrize("path", [f"{PATH}/rien.csv", PATH.replace("2435", "9999")])
def test_what_does_not_exist_is_not_found(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("besoins", "Besoins en ligne par commune"), ("n’importe", "Structures inscrites par commune")],
)
def test_the_map_shows_what_is_asked(client, asked, shown):
    assert f"Carte : {shown}." in client.get(f"{PATH}?carte={asked}").text


def test_the_map_and_the_table_hide_the_same(client, market):
    market.need()

    page = client.get(PATH).text
    assert "<title>Rennes : non communiqué</title>" in page
    assert 'Rennes</th><td class="numeric">moins de 5</td>' in page


def test_a_moderator_of_one_territory_goes_straight_to_its_dashboard(login, market):
    response = login(market.moderator()).get("/moderation/tableaux-de-bord")

    assert response.location == PATH


def test_the_administrator_chooses_among_the_open_territories(login, market):
    market.open_territory()
    market.open_territory(LIFFRE_CORMIER)

    page = login(market.admin()).get("/moderation/tableaux-de-bord").text
    assert f'<li><a href="{PATH}">Rennes Métropole</a>' in page


def test_the_sheet_keeps_to_the_first_skills(client, login, market):
    for slug in ("tableur", "presentation", "emailing", "fidelite", "sauvegarde", "rgpd"):
        market.need(skill=slug)

    page = login(market.moderator()).get(f"{PATH}/fiche").text
    shown = page.split("Compétences en tension</caption>")[1].split("</table>")[0]
    assert shown.count('<th scope="row">') == 5
