"""Labelled providers in a real browser: found near a place, reviewed by a firm, read by a moderator."""

import pytest

from marketplace.services import demo
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_accessibility import faults_of

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TEXT = "Deux matinées claires, et nous vendons nos confitures en ligne depuis."
LISTS = (
    "/prestataires", "/prestataires?commune=Rennes&rayon=30&competence=boutique-en-ligne&gratuit=oui",
    "/prestataires?commune=Rennes&rayon=30&vue=carte", "/prestataires?commune=Nulle-Part&rayon=-3&label=x",
    "/prestataires?commune=Paris&rayon=1&type=public",
)  # fmt: skip


class TestPages:
    def test_lists_and_the_map(self, visit):
        visitor = visit()
        faults = {}
        for path in LISTS:
            visitor.go(path)
            faults[path] = faults_of(visitor)

        assert {path: found for path, found in faults.items() if found} == {}

    def test_the_administrators_pages(self, visit):
        visitor = visit()
        visitor.log_in(demo.ADMINISTRATOR.email, demo.ADMINISTRATOR.password)
        visitor.go("/administration/prestataires")
        assert faults_of(visitor) == []
        visitor.page.get_by_role("link", name="Cybersécurité").click()
        assert faults_of(visitor) == []
        visitor.go("/prestataires")
        visitor.page.locator("main article h3 a").first.click()
        visitor.page.get_by_role("link", name="Retirer ce prestataire du site").click()
        assert faults_of(visitor) == []


def test_a_firm_says_what_it_thinks_and_a_moderator_lets_it_appear(visit):
    firm = visit(PHONE)
    firm.log_in(demo.EMPLOYEE.email, demo.EMPLOYEE.password)
    firm.go("/prestataires?commune=Rennes&rayon=20&label=expertcyber")
    firm.page.locator("main article h3 a").first.click()
    address = firm.page.url
    firm.page.get_by_role("link", name="Donner un avis").click()
    assert faults_of(firm) == []
    firm.page.get_by_text("4 – Satisfait").click()
    firm.page.get_by_label("Votre avis", exact=True).fill(TEXT)
    firm.page.get_by_text("Je déclare de bonne foi").click()
    firm.page.get_by_role("button", name="Envoyer mon avis").click()
    assert firm.page.get_by_text("relu par la modération avant de paraître").is_visible()

    moderator = visit(DESKTOP)
    moderator.log_in(demo.MODERATOR.email, demo.MODERATOR.password)
    moderator.go("/moderation")
    moderator.page.get_by_role("link", name="Avis", exact=True).click()
    assert faults_of(moderator) == []
    moderator.page.locator("main article h2 a").last.click()
    assert faults_of(moderator) == []
    moderator.page.get_by_role("button", name="Publier l’avis").click()

    firm.page.goto(address)
    assert firm.page.get_by_text(TEXT).is_visible()
    assert faults_of(firm) == []
