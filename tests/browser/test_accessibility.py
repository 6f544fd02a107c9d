"""Every page, on a phone and on a desk: WCAG 2.1 AA by axe, no sideways scrolling, nobody else called."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from marketplace.services import demo
from tests.browser.conftest import DESKTOP, PHONE

# One site serves them all.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PUBLIC = (
    "/", "/besoins", "/savoir-faire?tri=date", "/besoins?commune=Nulle-Part&rayon=-3", "/besoins?page=2",
    "/competences", "/competences/boutique-en-ligne", "/territoires", "/territoires/243500139", "/algorithme",
    "/accessibilite", "/donnees-personnelles", "/mentions-legales", "/inscription", "/connexion",
    "/mot-de-passe-oublie", "/publier/besoin", "/publier/savoir-faire", "/nulle-part", "/api",
    "/territoires/243500139/tableau-de-bord", "/territoires/243500139/tableau-de-bord/fiche",
    "/integration", "/integration?competence=inconnue&nombre=99", "/widget/annonces", "/donnees",
    "/territoires/243500139/transparence/2024", "/transparence/2024",
)  # fmt: skip
OWN = (
    "/mon-espace", "/mon-espace/profil", "/mon-espace/structure", "/mon-espace/structure/nouvelle",
    "/mon-espace/mes-donnees", "/mon-compte/validation-en-deux-etapes",
)  # fmt: skip
ADMINISTRATION = (
    "/administration", "/administration/territoires/ouvrir?nom=Vitré",
    "/administration/comptes?mail=moderation@rennes-metropole.example", "/moderation/journal",
)  # fmt: skip
DESK = (
    "/moderation/journal?du=nonsense", "/territoires/243500139/equipe",
    "/territoires/243500139/reglages/territoire", "/territoires/243500139/affiche",
    "/moderation/guides",
    "/moderation/structures", "/moderation/motifs", "/moderation/motifs/243500139/nouveau",
    "/moderation?etat=en-ligne&q=caisse", "/moderation", "/territoires/243500139/tableau-de-bord",
    "/territoires/243500139/partenaires",
    "/territoires/243500139/ateliers", "/moderation/signalements", "/moderation/signalements?etat=clos",
    "/moderation/recours", "/moderation/recours?etat=clos",
)  # fmt: skip
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]},
    "resultTypes": ["violations"],
}
# The rules that measure; the others judge what is there, and say the same while the same things show.
MEASURING = {
    "runOnly": {
        "type": "rule",
        "values": ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "skip-link"],
    },
    "resultTypes": ["violations"],
}
SHOWN = (
    "Array.from(document.querySelectorAll('*'), e => +e.checkVisibility({visibilityProperty: true})).join('')"
)


def faults_of(visitor) -> list[str]:
    """Look at the page that shows on a desk and on a phone, and leave it on a phone."""
    visitor.page.evaluate(Axe().axe_script)
    faults, judged = [], ""
    for size, viewport in (("desk", DESKTOP), ("phone", PHONE)):
        visitor.page.set_viewport_size(viewport)
        before, judged = judged, visitor.page.evaluate(SHOWN)
        rules = MEASURING if judged == before else RULES
        found = visitor.page.evaluate("rules => axe.run(rules).then(found => found.violations)", rules)
        faults += [f"{size}: {each['id']}: {each['nodes'][0]['html'][:120]}" for each in found]
        faults += [] if visitor.fits() else [f"{size}: scrolls sideways"]
    # A page that is meant to be missing says so in the console too.
    return faults + [said for said in visitor.complaints if "404" not in said]


class TestPages:
    def test_public_pages(self, visit):
        visitor = visit()
        faults = {}
        for path in PUBLIC:
            visitor.go(path)
            faults[path] = faults_of(visitor)

        assert {path: found for path, found in faults.items() if found} == {}

    def test_a_listing_and_its_structure(self, visit):
        visitor = visit()
        visitor.go("/savoir-faire")
        visitor.page.locator("main article h2 a, main article h3 a").first.click()
        assert faults_of(visitor) == []
        visitor.page.locator("main a[href^='/structures/']").first.click()
        assert faults_of(visitor) == []

    def test_the_pages_of_somebody_logged_in(self, visit):
        visitor = visit()
        visitor.log_in(demo.LOGINS[0].email, demo.LOGINS[0].password)
        faults = {}
        for path in OWN:
            visitor.go(path)
            faults[path] = faults_of(visitor)
        for first, where in (("article.match h3 a", "match"), ("a[href$='/modifier']", "edit")):
            visitor.go("/mon-espace")
            visitor.page.locator(f"main {first}").first.click()
            faults[where] = faults_of(visitor)

        assert {path: found for path, found in faults.items() if found} == {}

    def test_the_moderation_desk(self, visit):
        visitor = visit()
        visitor.log_in(demo.LOGINS[2].email, demo.LOGINS[2].password)
        for path in DESK:
            visitor.go(path)
            assert faults_of(visitor) == []
        visitor.go("/moderation")
        visitor.page.locator("main [data-key='r']").first.click()
        assert faults_of(visitor) == []
        visitor.page.get_by_label("Motif tout prêt").select_option(label="Texte trop court")
        visitor.page.get_by_role("button", name="Refuser").click()
        assert faults_of(visitor) == []

    def test_reporting_and_what_becomes_of_it(self, visit):
        visitor = visit()
        visitor.go("/savoir-faire")
        visitor.page.locator("main article h2 a, main article h3 a").first.click()
        visitor.page.get_by_role("link", name="Signaler cette annonce").click()
        assert faults_of(visitor) == []
        visitor.log_in(demo.LOGINS[2].email, demo.LOGINS[2].password)
        for queue in ("/moderation/signalements", "/moderation/recours"):
            visitor.go(queue)
            visitor.page.locator("main article h2 a").first.click()
            visitor.page.locator("main summary").last.click()
            assert faults_of(visitor) == []

    def test_the_pages_of_the_administrator(self, visit):
        visitor = visit()
        visitor.log_in(demo.LOGINS[3].email, demo.LOGINS[3].password)
        faults = {}
        for path in ADMINISTRATION:
            visitor.go(path)
            faults[path] = faults_of(visitor)

        assert {path: found for path, found in faults.items() if found} == {}


def test_the_keyboard_reaches_the_content_first(visit):
    visitor = visit(DESKTOP)
    visitor.go("/besoins")

    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.textContent") == "Aller au contenu"
    visitor.page.keyboard.press("Enter")
    assert visitor.page.evaluate("document.activeElement.id") == "contenu"


def test_an_error_is_tied_to_its_field(visit):
    visitor = visit()
    visitor.go("/publier/besoin")
    visitor.page.get_by_label("Dites-le avec vos mots").fill("Trop court")
    visitor.page.get_by_role("button", name="Continuer").click()

    field = visitor.page.get_by_label("Dites-le avec vos mots")
    assert field.get_attribute("aria-invalid") == "true"
    for described in field.get_attribute("aria-describedby").split():
        assert visitor.page.locator(f"#{described}").count() == 1
    assert field.input_value() == "Trop court"
    assert faults_of(visitor) == [
        "console: Failed to load resource: the server responded with a status of 422 (UNPROCESSABLE ENTITY)"
    ]
