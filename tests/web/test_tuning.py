"""« Simuler un réglage »: what the browser of a moderator gets."""

import re

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import PolicyVersion, Territory
from marketplace.services import market as market_service
from marketplace.services import policies
from marketplace.services.policies import SETTING_BOUNDS, WEIGHT_BOUNDS
from marketplace.web.tuning.forms import SHOWN_SETTINGS, SHOWN_WEIGHTS
from tests.support.builders import LIFFRE, LIFFRE_CORMIER, RENNES_METROPOLE
from tests.support.queries import counted

PAGE = f"/territoires/{RENNES_METROPOLE}/reglages"
APPLY = f"{PAGE}/appliquer"


@pytest.fixture
def moderator(market):
    return market.moderator()


@pytest.fixture
def browser(login, moderator):
    return login(moderator)


def text(response):
    return response.get_data(as_text=True)


def typed(browser, page=PAGE, **changes):
    """Return what the form would send, with some fields typed over."""
    found = re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', text(browser.get(page)))
    return {**dict(found), **{name.replace("_", "-"): value for name, value in changes.items()}}


def ruling():
    db.session.rollback()
    return market_service.policy(db.session.get(Territory, RENNES_METROPOLE))


def versions():
    db.session.rollback()
    return list(db.session.scalars(select(PolicyVersion)))


def test_every_setting_of_the_matcher_has_its_field():
    assert set(SHOWN_WEIGHTS) == set(WEIGHT_BOUNDS)
    assert set(SHOWN_SETTINGS) == set(SETTING_BOUNDS)
    names = [shown.name for shown in (*SHOWN_WEIGHTS.values(), *SHOWN_SETTINGS.values())]
    assert len(set(names)) == len(names)


def test_the_form_shows_what_rules_with_its_bounds(browser):
    page = text(browser.get(PAGE))

    assert re.search(r'name="competence"[^>]* value="44"', page)
    assert re.search(r'name="priorite"[^>]* value="10"', page)
    assert "De 30 à 70 %." in page
    assert "De 2 à 100 km." in page
    assert "Ce territoire suit les réglages nationaux." in page


def test_a_simulation_tells_who_gains_and_who_loses_and_changes_nothing(browser, market):
    lost = market.need(level=4, title="Apprendre à relancer")
    market.offer(level=3)

    response = browser.post(PAGE, data=typed(browser, ecart_niveau="0"))

    page = text(response)
    assert response.status_code == 200
    assert "Besoins qui perdent leur proposition : 1" in page
    assert f'/annonces/{lost.id}">Apprendre à relancer</a>' in page
    assert "Appliquer ces réglages" in page
    assert re.search(r'name="ecart-niveau"[^>]* value="0"', page)
    assert ruling().level_gap == 1
    assert versions() == []


def test_what_was_simulated_can_be_applied_and_shows_in_the_history(browser, moderator):
    sent = typed(browser, competence="50", niveau="4", distance_moitie="12,5", motif="Plus près d’abord.")

    response = browser.post(APPLY, data=sent)

    assert (response.status_code, response.location) == (302, PAGE)
    page = text(browser.get(PAGE))
    assert "ces réglages valent dès la prochaine vague" in page
    assert f"version 1, par {moderator.name}" in page
    assert "Compétence 50 %" in page
    assert "Distance qui ne vaut plus que la moitié 12,5 km" in page
    assert "« Plus près d’abord. »" in page
    assert ruling().half_distance_km == 12.5
    assert ruling().weights["skill"] == 0.5
    (version,) = versions()
    assert set(version.policy) == {"weights", "half_distance_km"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("competence", "75", "Choisissez un nombre de 30 à 70 %."),
        ("competence", "45", "Les six poids font 101 % ensemble : il faut 100 %."),
        ("competence", "44,5", "Les six poids font 100,5 % ensemble : il faut 100 %."),
        ("competence", "beaucoup", "Écrivez un nombre, par exemple 12 ou 12,5."),
        ("competence", "", "Remplissez ce champ."),
        ("competence", "NaN", "Écrivez un nombre"),
        ("competence", "1e9", "Écrivez un nombre"),
        ("competence", "4" * 5000, "Écrivez un nombre"),
        ("competence", "<b>44</b>", "Écrivez un nombre"),
        ("ecart-niveau", "1,5", "Écrivez un nombre entier."),
        ("distance-moitie", "101", "Choisissez un nombre de 2 à 100 km."),
        ("priorite", "0", "Choisissez un nombre de 5 à 50 %."),
    ],
)
@pytest.mark.parametrize("address", [PAGE, APPLY])
def test_a_setting_that_cannot_be_is_told_at_its_field(browser, address, name, value, message):
    response = browser.post(address, data={**typed(browser), name: value})

    page = text(response)
    assert response.status_code == 422
    error = re.search(rf'id="{name}-error">([^<]*)<', page)
    assert error and message in error[1]
    assert "<b>44</b>" not in page
    assert "Appliquer ces réglages" not in page
    assert versions() == []


def test_what_was_typed_stays_in_the_field(browser):
    page = text(browser.post(PAGE, data=typed(browser, competence="75")))

    assert re.search(r'name="competence"[^>]* value="75"', page)


def test_a_missing_field_is_asked_for(browser):
    response = browser.post(PAGE, data={"competence": "44"})

    assert response.status_code == 422
    assert "Remplissez ce champ." in text(response)


def test_settings_changed_meanwhile_are_not_overwritten(browser, market):
    sent = typed(browser, distance_moitie="20")
    policies.apply(RENNES_METROPOLE, {"half_distance_km": 30}, by=market.admin(), seen=0)

    response = browser.post(APPLY, data=sent)

    assert response.status_code == 422
    assert "Quelqu’un a changé ces réglages entre-temps." in text(response)
    assert ruling().half_distance_km == 30


def test_after_reading_the_change_one_may_apply_again(browser, market):
    sent = typed(browser, distance_moitie="20")
    policies.apply(RENNES_METROPOLE, {"half_distance_km": 30}, by=market.admin(), seen=0)
    page = text(browser.post(APPLY, data=sent))

    version = re.search(r'name="version"[^>]* value="(\d+)"', page)[1]
    browser.post(APPLY, data={**sent, "version": version})

    assert ruling().half_distance_km == 20


@pytest.mark.parametrize("version", ["", "-1", "x", "9" * 40, "²"])
def test_a_version_that_cannot_be_is_refused(browser, version):
    response = browser.post(APPLY, data={**typed(browser), "version": version})

    assert response.status_code == 422
    assert versions() == []


def test_a_note_too_long_keeps_the_simulation_in_view(browser):
    response = browser.post(APPLY, data=typed(browser, motif="x" * 301))

    assert response.status_code == 422
    assert "300 caractères au plus" in text(response)
    assert "Appliquer ces réglages" in text(response)


def test_the_national_settings_can_be_filled_in(browser, moderator):
    policies.apply(RENNES_METROPOLE, {"half_distance_km": 30}, by=moderator, seen=0)

    assert re.search(r'name="distance-moitie"[^>]* value="30"', text(browser.get(PAGE)))
    sent = typed(browser, page=f"{PAGE}?nationaux=1")
    assert sent["distance-moitie"] == "15"
    browser.post(APPLY, data=sent)

    assert ruling().half_distance_km == 15
    assert "version 2" in text(browser.get(PAGE))
    assert "les réglages nationaux" in text(browser.get(PAGE))


def test_titles_are_shown_as_typed(browser, market):
    market.need(level=4, title="Vendre <script>alert(1)</script>")
    market.offer(level=3)

    page = text(browser.post(PAGE, data=typed(browser, ecart_niveau="0")))

    assert "<script>alert(1)" not in page
    assert "Vendre &lt;script&gt;" in page


def test_the_territory_s_page_leads_its_moderators_here(browser, login, market):
    territory = PAGE.removesuffix("/reglages")

    assert f'href="{PAGE}"' in text(browser.get(territory))
    assert f'href="{PAGE}"' not in text(login(market.user()).get(territory))


def test_nobody_else_sees_the_page(client, login, market):
    assert client.get(PAGE).status_code == 302
    for person in (market.user(), market.moderator(LIFFRE_CORMIER)):
        browser = login(person)
        assert browser.get(PAGE).status_code == 404
        assert browser.post(PAGE, data={}).status_code == 404
        assert browser.post(APPLY, data={}).status_code == 404
    assert login(market.admin()).get(PAGE).status_code == 200
    assert login(market.admin()).get("/territoires/123456789/reglages").status_code == 404


def test_the_page_asks_few_questions_whatever_the_number_of_versions_and_needs(browser, market, moderator):
    for number in range(3):
        policies.apply(RENNES_METROPOLE, {"level_gap": number}, by=moderator, seen=number)
    home = market.organisation(commune=LIFFRE)
    for _ in range(3):
        market.need(), market.offer(organisation=home)
    sent = typed(browser)

    with counted() as few:
        browser.post(PAGE, data=sent)
    for _ in range(4):
        market.need(), market.offer(organisation=home)
    with counted() as more:
        browser.post(PAGE, data=sent)

    assert int(more) <= int(few)
