"""The three journeys in a real browser, on a phone: a need is published, a round pairs, both sides accept."""

import re

import pytest
from playwright.sync_api import expect

from marketplace.services import demo
from tests.browser.conftest import DESKTOP
from tests.support.builders import siret

# One site serves them all.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PASSWORD = "trois tracteurs rouges dansent"
MODERATOR, ADMIN = demo.LOGINS[2], demo.LOGINS[3]
SKILL = "Ouvrir et gérer une boutique en ligne"
NEED = (
    "Je voudrais vendre mes confitures sur internet, avec un panier et le paiement en ligne. "
    "Je ne sais pas par où commencer et je cherche quelqu’un qui l’a déjà fait."
)
OFFER = (
    "L’an dernier nous avons ouvert notre boutique en ligne, avec le paiement et le retrait au magasin. "
    "Je montre volontiers comment préparer les fiches et suivre les commandes."
)


def sign_up(visitor, *, name: str, email: str) -> None:
    page = visitor.page
    page.get_by_label("Votre prénom et votre nom").fill(name)
    page.get_by_label("Votre adresse mail professionnelle").fill(email)
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.get_by_role("button", name="Créer mon compte").click()
    visitor.see("Regardez vos mails")
    visitor.go(visitor.site.mailed_link(email, subject="Confirmez"))
    page.get_by_role("button", name="Confirmer mon adresse").click()


def register_structure(visitor, *, number: int, name: str, sector: str, commune: str) -> None:
    page = visitor.page
    page.get_by_label("Numéro SIRET").fill(siret(number))
    page.get_by_role("button", name="Continuer").click()
    page.get_by_label("Nom de la structure").fill(name)
    page.get_by_label("Activité").fill(sector)
    page.get_by_label("Commune").fill(commune)
    page.get_by_role("button", name="Inscrire ma structure").click()


def tick(visitor, label: str | re.Pattern[str]) -> None:
    """Tick a box or a radio button as a finger does: by its label, all of which answers."""
    visitor.page.locator("label").filter(has_text=label).first.click()


def publish(visitor, *, path: str, text: str, skill: str, title: str, button: str) -> None:
    page = visitor.page
    visitor.go(path)
    page.get_by_label("Dites-le avec vos mots").fill(text)
    page.get_by_role("button", name="Trouver la compétence").click()
    tick(visitor, skill)
    page.get_by_label("Titre (facultatif)").fill(title)
    page.get_by_role("button", name=button).click()


def arrive(visitor, *, name: str, email: str, number: int, firm: str, sector: str, commune: str) -> None:
    visitor.go("/inscription")
    sign_up(visitor, name=name, email=email)
    register_structure(visitor, number=number, name=firm, sector=sector, commune=commune)


@pytest.fixture
def approve(visit):
    """Have the national administrator publish the listing that waits under this title."""

    def approve_listing(title: str) -> None:
        desk = visit(DESKTOP)
        desk.log_in(ADMIN.email, ADMIN.password)
        desk.go("/moderation")
        while True:
            link = desk.page.get_by_role("link", name=re.compile(re.escape(title)))
            if link.count():
                break
            desk.page.get_by_role("link", name="Page suivante").click()
        link.first.click()
        desk.page.get_by_role("button", name=re.compile("^(Publier|Approuver|Mettre en ligne)")).click()

    return approve_listing


def test_a_baker_publishes_a_need_and_meets_who_can_help(visit, approve):
    baker = visit()
    baker.go("/")
    baker.page.get_by_label("Que voulez-vous apprendre ?").fill(NEED)
    baker.page.get_by_role("button", name="Publier mon besoin").click()
    expect(baker.page.get_by_label("Dites-le avec vos mots")).to_have_value(NEED)
    baker.page.get_by_role("button", name="Trouver la compétence").click()
    tick(baker, SKILL)
    baker.page.get_by_label("Titre (facultatif)").fill("Vendre mes confitures en ligne")
    baker.page.get_by_role("button", name="Continuer").click()

    sign_up(baker, name="Prune Fourchette", email="prune@fournil.example")
    expect(baker.page.get_by_label("Dites-le avec vos mots")).to_have_value(NEED)
    baker.page.get_by_role("button", name="Continuer").click()
    register_structure(
        baker, number=900_001, name="Le Fournil des Tilleuls", sector="boulangerie", commune="Pacé (35740)"
    )
    expect(baker.page.get_by_label("Dites-le avec vos mots")).to_have_value(NEED)
    baker.page.get_by_role("button", name="Publier mon besoin").click()
    baker.see("en attente de relecture")
    approve("Vendre mes confitures en ligne")

    gardener = visit()
    arrive(
        gardener, name="Basile Terreau", email="basile@jardinerie.example", number=900_002,
        firm="Jardinerie du Vieux Puits", sector="jardinerie", commune="Pacé (35740)",
    )  # fmt: skip
    publish(
        gardener, path="/publier/savoir-faire", text=OFFER, skill=SKILL,
        title="Montrer notre boutique en ligne", button="Publier mon savoir-faire",
    )  # fmt: skip
    approve("Montrer notre boutique en ligne")

    gardener.go("/besoins?commune=Pac%C3%A9+(35740)&rayon=5")
    gardener.page.get_by_role("link", name="Vendre mes confitures en ligne").click()
    assert "prune@fournil.example" not in gardener.page.content()
    gardener.page.get_by_role("link", name="Proposer mon aide").click()
    gardener.page.get_by_role("button", name="Proposer mon aide").click()
    gardener.see("Vous avez accepté")
    assert "prune@fournil.example" not in gardener.page.content()

    baker.go(baker.site.mailed_link("prune@fournil.example", subject="propose de vous aider"))
    baker.see("Pourquoi vous deux ?")
    baker.page.get_by_role("button", name="Accepter").click()

    baker.see("basile@jardinerie.example")
    gardener.page.reload()
    gardener.see("prune@fournil.example")
    assert baker.complaints == gardener.complaints == []


def test_the_same_pages_work_without_javascript(visit):
    florist = visit(javascript=False)
    arrive(
        florist, name="Iris Pétale", email="iris@fleurs.example", number=900_003,
        firm="Fleurs du Canal", sector="fleuriste", commune="Saint-Denis",
    )  # fmt: skip

    florist.see("Plusieurs communes répondent à ce nom")
    tick(florist, "Saint-Denis (93200)")
    florist.page.get_by_role("button", name="Inscrire ma structure").click()

    florist.see("Fleurs du Canal est inscrite.")


def test_typing_a_commune_proposes_it(visit):
    visitor = visit()
    visitor.go("/besoins")
    visitor.page.get_by_label("Autour de").press_sequentially("cesson-s", delay=30)

    option = visitor.page.locator("datalist option[value^='Cesson-Sévigné']")
    expect(option).to_have_count(1)


def test_the_demonstration_people_find_proposals_with_their_reasons(visit):
    for login in demo.LOGINS[:2]:
        person = visit()
        person.log_in(login.email, login.password)

        person.see("Mon espace")
        person.page.locator("article.match h3 a").first.click()

        person.see("Pourquoi vous deux ?")
        assert person.fits()


def test_a_moderator_empties_part_of_the_queue(visit):
    moderator = visit(DESKTOP)
    moderator.log_in(MODERATOR.email, MODERATOR.password)
    moderator.go("/moderation")
    first = moderator.page.locator("main article h2 a, main article h3 a, main table a").first
    title = first.inner_text()
    first.click()

    moderator.page.get_by_role("button", name=re.compile("^(Publier|Approuver|Mettre en ligne)")).click()

    moderator.go("/moderation")
    assert moderator.page.get_by_role("link", name=title, exact=True).count() == 0
