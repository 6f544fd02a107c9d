"""What is found shows first on a phone: the filters fold away, and say so."""

import pytest

from tests.browser.conftest import DESKTOP, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SEARCHES = {
    "/besoins?competence=boutique-en-ligne": "Compétence, lieu et autres filtres",
    "/prestataires?commune=Rennes": "Changer la recherche",
}


@pytest.mark.parametrize("path", SEARCHES)
def test_a_phone_shows_the_first_thing_found_and_unfolds_the_filters(visit, path):
    visitor = visit(PHONE)
    visitor.go(path)

    commune = visitor.page.get_by_label("Autour de")
    assert not commune.is_visible()
    assert visitor.page.locator("#resultats").bounding_box()["y"] < PHONE["height"]
    visitor.page.get_by_text(SEARCHES[path], exact=True).click()
    assert commune.is_visible()


@pytest.mark.parametrize("path", SEARCHES)
def test_a_desk_shows_all_filters(visit, path):
    visitor = visit(DESKTOP)
    visitor.go(path)

    assert visitor.page.get_by_label("Autour de").is_visible()
    assert not visitor.page.get_by_text(SEARCHES[path], exact=True).is_visible()


@pytest.mark.parametrize("path", ["/besoins", "/besoins?commune=Nulle-Part", "/prestataires"])
def test_filters_stay_open_where_they_are_still_to_be_filled(visit, path):
    visitor = visit(PHONE)
    visitor.go(path)

    assert visitor.page.get_by_label("Autour de").is_visible()
