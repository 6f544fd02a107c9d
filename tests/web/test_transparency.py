"""The transparency report: page, CSV and JSON say the same."""

import csv
from io import StringIO

import pytest

from marketplace.models import DecisionAction, DecisionGround
from marketplace.web.display import FLAGS
from tests.support.builders import RENNES_METROPOLE

HERE = f"/territoires/{RENNES_METROPOLE}/transparence"


@pytest.fixture(autouse=True)
def year(clock):
    return clock.now.year


def text(response):
    return response.get_data(as_text=True)


def lines(response):
    return list(csv.reader(StringIO(text(response).lstrip("\ufeff")), delimiter=";"))


def a_busy_year(market):
    market.case(market.offer())
    market.rejection(market.need(), ground=DecisionGround.ILLEGAL, automated_flags=["price"])
    market.rejection(
        market.need(), action=DecisionAction.APPROVE, ground=None, facts="", automated_flags=["price"]
    )
    market.appeal(market.rejection(market.need()))


def test_the_page_of_a_territory_leads_to_its_report(client, year):
    assert f"{HERE}/{year}" in text(client.get(f"/territoires/{RENNES_METROPOLE}"))


def test_anybody_reads_the_year_of_a_territory(client, market, year):
    a_busy_year(market)

    page = text(client.get(f"{HERE}/{year}"))

    assert "Signalements reçus" in page
    assert "L’année n’est pas finie" in page
    assert f"{HERE}/{year}.csv" in page
    assert f"/transparence/{year}" in page


def test_a_year_that_is_over_says_nothing_of_the_kind(client, year):
    assert "n’est pas finie" not in text(client.get(f"{HERE}/{year - 1}"))


def test_the_three_forms_say_the_same(client, market, year):
    a_busy_year(market)

    told = client.get(f"{HERE}/{year}.json").json
    table = {
        (title, row, column): value for title, row, column, value in lines(client.get(f"{HERE}/{year}.csv"))
    }

    assert told["notices"]["by_category"]["commercial"] == 1
    assert table["Signalements reçus", "Total", "Signalements"] == "1"
    assert {"action": "reject", "ground": "illegal", "detection": "automated", "count": 1} in told[
        "restrictions"
    ]
    assert table["Décisions de restriction, par type", "Refusée", "Repéré par le contrôle"] == "1"
    assert table["Décisions de restriction, par type", "Total", "Total"] == "2"
    assert told["appeals"]["by_basis"]["reject"] == {"received": 1, "upheld": 0, "reversed": 0}
    assert table["Recours", "Total", "Reçus"] == "1"
    assert told["automated_flags"]["by_flag"]["price"] == {"read": 2, "approved": 1, "error_rate": 0.5}
    assert table["Contrôle automatique des textes", "Prix", "Part d’erreurs, en %"] == "50"


def test_the_nation_has_its_report_in_the_three_forms(client, market, year):
    a_busy_year(market)

    assert "France entière" in text(client.get(f"/transparence/{year}"))
    assert client.get(f"/transparence/{year}.json").json["territory"] is None
    response = client.get(f"/transparence/{year}.csv")
    assert response.headers["Content-Disposition"] == f'attachment; filename="transparence-france-{year}.csv"'
    assert lines(response)[0] == ["Tableau", "Ligne", "Indicateur", "Valeur"]


@pytest.mark.parametrize("form", ["", ".csv", ".json"])
@pytest.mark.parametrize("number", ["0", "1999", "9999", "2147483647", "9" * 20])
def test_a_year_without_numbers_is_not_found(client, app, form, number):
    assert client.get(f"{HERE}/{number}{form}").status_code == 404
    assert client.get(f"/transparence/{number}{form}").status_code == 404


def test_an_unknown_territory_is_not_found(client, app, year):
    assert client.get(f"/territoires/000000000/transparence/{year}").status_code == 404


def test_no_cell_of_the_file_runs_in_a_spreadsheet(client, market, year, monkeypatch):
    monkeypatch.setitem(FLAGS, "price", "=cmd|' /C calc'!A0")
    a_busy_year(market)

    names = {row[1] for row in lines(client.get(f"{HERE}/{year}.csv"))}

    assert "'=cmd|' /c calc'!a0" in names
