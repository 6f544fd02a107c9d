"""The moderation desk in a browser: by keyboard, and without JavaScript."""

import re

import pytest

from marketplace.services import demo
from tests.browser.conftest import DESKTOP

# One site serves them all.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MODERATOR = demo.LOGINS[2]


@pytest.fixture
def desk(visit):
    def open_desk(**how):
        visitor = visit(DESKTOP, **how)
        visitor.log_in(MODERATOR.email, MODERATOR.password)
        visitor.go("/moderation")
        return visitor

    return open_desk


def waiting(visitor) -> int:
    return int(re.search(r"\d+", visitor.page.locator("[data-desk-count]").inner_text()).group())


def in_hand(visitor) -> str:
    """Return the title of the listing that the keys act on."""
    return visitor.page.evaluate(
        "document.activeElement.closest('[data-desk-item]')?.querySelector('h2').innerText"
    )


def test_the_queue_is_worked_by_keyboard(desk):
    visitor = desk()
    page, before = visitor.page, waiting(visitor)
    titles = page.locator("[data-desk-item] h2").all_inner_texts()
    assert page.locator("[data-desk-keys]").is_visible()

    page.keyboard.press("j")
    page.keyboard.press("j")
    assert in_hand(visitor) == titles[1]
    page.keyboard.press("k")
    assert in_hand(visitor) == titles[0]
    page.keyboard.press("a")

    visitor.see("Voici la suivante")
    assert page.locator("h1").inner_text() == titles[1]
    visitor.go("/moderation")
    assert waiting(visitor) == before - 1
    assert visitor.complaints == []


def test_a_listing_is_sent_back_by_keyboard_with_a_template(desk):
    visitor = desk()
    page = visitor.page
    page.locator("[data-desk-item] h2 a").first.click()
    page.wait_for_url("**/moderation/annonces/*")  # and its script

    page.keyboard.press("m")
    page.get_by_label("Motif tout prêt").select_option(label="Numéro de téléphone dans le texte")
    assert "numéro de téléphone" in page.get_by_label("Ce que vous avez constaté").input_value()
    page.get_by_label("Motif tout prêt").select_option(label="Lien vers un site")
    assert "autre site" in page.get_by_label("Ce que vous avez constaté").input_value()
    page.get_by_role("button", name="Demander une modification").click()

    visitor.see("Ce que la structure recevra")
    page.get_by_role("button", name="Envoyer la décision").click()
    visitor.see("Voici la suivante")


def test_the_keys_can_be_turned_off_and_stay_so(desk):
    visitor = desk()
    page = visitor.page
    page.get_by_role("button", name="Désactiver ces touches").click()

    page.keyboard.press("j")
    assert in_hand(visitor) is None
    page.reload()
    page.keyboard.press("j")
    assert in_hand(visitor) is None


def test_typing_is_not_taken_for_a_key(desk):
    visitor = desk()
    page = visitor.page
    page.get_by_text("Chercher et filtrer").click()
    page.get_by_label("Des mots du texte").press_sequentially("jamerk")

    assert page.get_by_label("Des mots du texte").input_value() == "jamerk"
    assert page.url.endswith("/moderation")


def test_all_works_without_javascript(desk):
    visitor = desk(javascript=False)
    page, before = visitor.page, waiting(visitor)
    assert page.locator("[data-desk-keys]").is_hidden()

    boxes = page.locator("input[name=annonce]")
    for box in (boxes.nth(0), boxes.nth(1)):
        box.check(force=True)
    page.locator("#plusieurs").get_by_role("button", name="Refuser").click()
    page.get_by_label("Motif tout prêt").select_option(label="Texte trop court")
    page.get_by_role("button", name="Voir le message avant l’envoi").click()
    visitor.see("On ne comprend pas encore ce qui est cherché ou proposé.")
    page.get_by_role("button", name="Envoyer les 2 décisions").click()

    visitor.see("2 annonces refusées.")
    assert waiting(visitor) == before - 2
