"""What makes a text wait for a moderator, and what must not."""

from time import perf_counter

import pytest

from marketplace.models import ListingKind, ListingState
from marketplace.models.listings import DESCRIPTION_MAX
from marketplace.services import prechecks

TOLD = (
    "Je voudrais vendre mes confitures sur internet, je ne sais pas du tout par où commencer avec les colis."
)


def seen_in(text):
    return prechecks.flags_of("Bonjour", f"Je cherche de l’aide {text} merci")


@pytest.mark.parametrize(
    "text",
    [
        "06 12 34 56 78", "0612345678", "06.12.34.56.78", "06-12-34-56-78", "06/12/34/56/78", "06 123 456 78",
        "06 - 12 - 34 - 56 - 78", "+33 6 12 34 56 78", "+33612345678", "+33 (0)6 12 34 56 78",
        "0033 612345678", "0590 12 34 56", "+262 692 12 34 56", "tél.:0299123456.",
        "06\u00a012\u00a034\u00a056\u00a078",
    ],
)  # fmt: skip
def test_a_phone_number_is_seen(text):
    assert seen_in(text) == ["phone"]


@pytest.mark.parametrize(
    "text",
    [
        "lea@boulangerie.example", "lea.pain@maison-inventee.fr", "LEA@MAISON-INVENTEE.FR",
        "lea (at) boulangerie point example", "lea[at]garage.example", "lea arobase maison-inventee.fr",
    ],
)  # fmt: skip
def test_a_mail_address_is_seen_and_its_domain_is_no_link(text):
    assert seen_in(text) == ["email"]


@pytest.mark.parametrize(
    "text",
    [
        "https://boulangerie.example/",
        "www.boulangerie",
        "maison-inventee.fr",
        "Maison-Inventee.BZH/contact",
        "wa.me/x",
    ],
)
def test_a_link_is_seen(text):
    assert seen_in(text) == ["link"]


@pytest.mark.parametrize(
    "text",
    [
        "20 €",
        "20€/h",
        "€ 20",
        "500 euros",
        "2 k€",
        "cinquante euros",
    ],
)
def test_a_price_is_seen(text):
    assert seen_in(text) == ["price"]


@pytest.mark.parametrize(
    "text",
    [
        "devis gratuit", "Devis sur demande", "nos tarifs", "remise de 10 %", "promo -20 %",
        "tarif préférentiel", "le meilleur prix", "un excellent rapport qualité-prix", "offre de lancement",
        "sans engagement", "Profitez de notre expérience", "leader de la caisse en ligne",
        "satisfait ou remboursé", "code promo",
    ],
)  # fmt: skip
def test_a_text_that_sells_is_seen(text):
    assert seen_in(text) == ["commercial"]


@pytest.mark.parametrize(
    "text",
    [
        TOLD,
        "Afficher mes tarifs sur mon site et préparer les promotions de Noël.",
        "Nous sommes 12 et nous ouvrons de 09 h à 18 h, du 01/02/2026 au 28/02/2026.",
        "Le 05/03/2026 14 h nous convient. SIRET 123 456 789 00012.",
        "Passer de 20 à 200 commandes par semaine. Ensuite, une version 3.11 suffit.",
        "Écrire @ ou # au clavier... etc. Merci.Bonne journée.",
        "Comprendre ce que coûte un site, et à quoi sert un devis.",
        "Réserver une table en ligne, afficher un prix barré, préparer nos commandes de Noël.",
        "",
    ],
)
def test_an_ordinary_text_sets_nothing_off(text):
    assert prechecks.flags_of(text, text) == []


def test_the_title_is_looked_at_too():
    assert prechecks.flags_of("Appelez le 06 12 34 56 78", TOLD) == ["phone"]


def test_all_that_is_seen_is_told_in_one_order():
    text = "20 € sur www.maison-inventee.fr, lea@pain.example ou 06 12 34 56 78"
    assert prechecks.flags_of("", text) == ["phone", "email", "link", "price"]


@pytest.mark.parametrize("piece", ["a", "a-", "0", "06 ", "a.", "@", "a@", "a @ b ", "-", "\n", "€", "é"])
def test_no_text_makes_the_patterns_slow(piece):
    text = (piece * DESCRIPTION_MAX)[:DESCRIPTION_MAX]
    start = perf_counter()
    prechecks.flags_of("", text)
    assert perf_counter() - start < 1


def check(market, description, **fields):
    told = {
        "kind": ListingKind.NEED,
        "skill_id": market.skill("boutique-en-ligne").id,
        "title": "Vendre en ligne",
        "description": description,
        "organisation_id": market.organisation().id,
    }
    return prechecks.check(**(told | fields))


@pytest.mark.parametrize(
    "again",
    [
        TOLD,
        TOLD.upper(),
        TOLD.replace(",", " !"),
        TOLD.replace("confitures", "miels"),
        "Je ne sais pas du tout par où commencer avec les colis. Vendre mes confitures sur internet, "
        "je voudrais.",
    ],
)
def test_a_text_that_repeats_a_listing_of_the_same_skill_is_seen(market, again):
    market.need(description=TOLD)
    assert check(market, again) == ["repeat"]


def test_a_text_of_its_own_is_no_repeat(market):
    market.need(description=TOLD)
    assert (
        check(market, "Je voudrais mettre en ligne le catalogue de mes plantes, avec de belles photos.") == []
    )


def test_an_offer_does_not_repeat_a_need(market):
    market.need(description=TOLD)
    assert check(market, TOLD, kind=ListingKind.OFFER) == []


def test_another_skill_of_somebody_else_is_no_repeat(market):
    market.need(description=TOLD, skill="emailing")
    assert check(market, TOLD) == []


def test_the_same_structure_does_not_say_it_twice_under_another_skill(market):
    mine = market.need(description=TOLD, skill="emailing")
    assert check(market, TOLD, organisation_id=mine.organisation_id) == ["repeat"]


@pytest.mark.parametrize("state", [ListingState.WITHDRAWN, ListingState.EXPIRED, ListingState.DRAFT])
def test_what_is_over_or_not_sent_may_be_said_again(market, state):
    market.need(description=TOLD, state=state)
    assert check(market, TOLD) == []


def test_a_listing_does_not_repeat_itself(market):
    mine = market.need(description=TOLD)
    assert check(market, TOLD, listing_id=mine.id) == []


def test_a_text_without_words_repeats_nothing(market):
    market.need(description="🥖🥖🥖")
    assert check(market, "🥖🥖🥖") == []


def test_many_long_texts_are_compared_in_no_time(market):
    organisation = market.organisation()
    sentence = TOLD.split()
    for shift in range(20):
        words = [*sentence[shift % 7 :: 2], f"mot{shift}"]
        market.need(organisation=organisation, description=" ".join(words * 100)[:DESCRIPTION_MAX])
    start = perf_counter()
    check(market, (TOLD * 100)[:DESCRIPTION_MAX])
    assert perf_counter() - start < 2
