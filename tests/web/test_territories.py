"""The settings of a territory, its logo, its sheet and its page: what the browser gets."""

from html import unescape
from io import BytesIO

import pytest

from marketplace.extensions import db
from marketplace.models import Territory
from tests.support import pictures
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE

TERRITORY = f"/territoires/{RENNES_METROPOLE}"
PAGE = f"{TERRITORY}/reglages/territoire"
FORM = {
    "mode": "a_posteriori",
    "confiance": "3",
    "rayon": "15",
    "accueil": "Bienvenue <b>!",
    "charte": "Soyez aimables.",
    "contact": "02 99 00 00 00",
    "partenaires": "Chambre de métiers : https://cma.example\n\n  Pôle commerce https://pole.example/a ",
}


def text(response):
    return response.get_data(as_text=True)


def territory():
    db.session.rollback()
    return db.session.get(Territory, RENNES_METROPOLE)


@pytest.fixture
def browser(login, market):
    market.open_territory()
    return login(market.head())


def test_what_the_head_writes_shows_on_the_page_of_the_territory(browser, app):
    assert browser.post(PAGE, data=FORM).location == PAGE
    page = text(app.test_client().get(TERRITORY))
    assert "Bienvenue &lt;b&gt;!" in page
    assert "Soyez aimables." in page
    assert "02 99 00 00 00" in page
    assert '<a href="https://cma.example" rel="noopener">Chambre de métiers</a>' in page
    assert '<a href="https://pole.example/a" rel="noopener">Pôle commerce</a>' in page


def test_the_form_comes_back_as_it_was_saved(browser):
    browser.post(PAGE, data=FORM)
    page = unescape(text(browser.get(PAGE)))
    assert "Chambre de métiers https://cma.example\nPôle commerce https://pole.example/a" in page
    assert 'value="15"' in page


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("mode", "x", "de la liste"),
        ("confiance", "101", "de 0 à 100"),
        ("confiance", "-1", "de 0 à 100"),
        ("confiance", "", "Remplissez"),
        ("rayon", "201", "de 0 à 200"),
        ("rayon", "9" * 40, "nombre entier"),
        ("accueil", "x" * 5001, "5000 caractères au plus"),
        ("charte", "a\x00b", "invisibles"),
        ("contact", "x" * 301, "300 caractères au plus"),
        ("partenaires", "CMA http://cma.example", "commence par https://"),
        ("partenaires", "https://cma.example", "donnez un nom"),
        ("partenaires", "CMA javascript:alert(1)", "commence par https://"),
        ("partenaires", "\n".join(f"P{n} https://p{n}.example" for n in range(9)), "8 liens au plus"),
    ],
)
def test_a_bad_value_is_told_at_its_field_and_nothing_is_written(browser, field, value, told):
    answer = browser.post(PAGE, data=FORM | {field: value})
    assert answer.status_code == 422
    assert told in unescape(text(answer))
    assert FORM["contact"] in text(answer) or field == "contact"
    assert (territory().charter, territory().default_radius_km) == ("", 20)


def send(browser, content, name="logo.png"):
    return browser.post(f"{TERRITORY}/reglages/logo", data={"logo": (BytesIO(content), name)})


def test_a_logo_is_sent_shown_and_taken_off(browser, app):
    assert send(browser, pictures.png(), "a<b>.svg").location == PAGE
    mark = territory().logo_mark
    assert f"{TERRITORY}/logo?v={mark}" in text(app.test_client().get(TERRITORY))
    shown = app.test_client().get(f"{TERRITORY}/logo?v={mark}")
    assert (shown.data, shown.mimetype) == (pictures.png(), "image/png")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert "max-age=31536000" in shown.headers["Cache-Control"]
    browser.post(f"{TERRITORY}/reglages/logo/retirer")
    assert app.test_client().get(f"{TERRITORY}/logo").status_code == 404


@pytest.mark.parametrize("content", [b"", b"<svg onload=alert(1)>", pictures.png() + b"\x00" * 200_001])
def test_a_file_that_is_no_logo_is_told_at_its_field(browser, content):
    answer = send(browser, content)
    assert answer.status_code == 422
    assert 'id="logo-error"' in text(answer)
    assert territory().logo_mark == ""


def test_a_text_where_the_file_goes_is_no_logo(browser):
    assert browser.post(f"{TERRITORY}/reglages/logo", data={"logo": "x"}).status_code == 422
    assert browser.post(f"{TERRITORY}/reglages/logo").status_code == 422


@pytest.mark.parametrize(
    ("query", "told"),
    [("", "Vous lancez votre entreprise"), ("?texte=facturation", "La facture électronique arrive")],
)
def test_the_sheet_has_two_texts_and_its_code(browser, query, told):
    page = text(browser.get(f"{TERRITORY}/affiche{query}"))
    assert told in page
    assert f"localhost{TERRITORY}" in page
    kind = query.partition("=")[2] or "inscription"
    code = browser.get(f"{TERRITORY}/affiche/{kind}.svg")
    assert (code.status_code, code.mimetype) == (200, "image/svg+xml")
    assert f"{TERRITORY}/affiche/{kind}.svg" in page


def test_a_sheet_that_does_not_exist_is_not_found(browser):
    assert browser.get(f"{TERRITORY}/affiche/autre.svg").status_code == 404


def test_a_moderator_prints_the_sheet_and_does_not_set_the_territory(login, market):
    moderator = login(market.moderator())
    assert moderator.get(f"{TERRITORY}/affiche").status_code == 200
    assert moderator.get(PAGE).status_code == 403
    assert moderator.get(f"/territoires/{LIFFRE_CORMIER}/affiche").status_code == 404
