"""The level and the trade that a text tells: right when they speak, silent when unsure."""

import pytest

from marketplace.models import ListingKind
from marketplace.services import guesses
from tests.benchmarks.guesses.__main__ import GUESSERS, PARTS, score, sentences

NEED, OFFER = ListingKind.NEED, ListingKind.OFFER


def level(kind, text):
    guess = guesses.level(kind, text)
    return guess and guess.level


@pytest.mark.parametrize("what", GUESSERS)
@pytest.mark.parametrize("part", PARTS)
def test_what_is_guessed_is_right_when_it_speaks_and_it_speaks_often(what, part):
    told = score(what, part)

    assert told.precision >= 0.85
    assert told.recall >= 0.60


def test_the_labelled_sentences_are_many_and_some_tell_nothing():
    labelled = [each for part in PARTS for each in sentences(part)]

    assert len(labelled) >= 120
    assert sum(not each.level for each in labelled) >= 20
    assert len({each.text for each in labelled}) == len(labelled)


def test_the_words_that_decided_are_quoted_as_they_were_typed():
    guess = guesses.level(NEED, "Bonjour,\nje  DÉBUTE, et je n’y   connais rien !")

    assert guess.words == ("DÉBUTE", "connais rien")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "???",
        "👍",
        "Vendre mes confitures sur internet.",
        "Je débute, et nous utilisons déjà l’outil.",
    ],
)
def test_what_tells_nothing_or_two_things_gives_no_level(text):
    assert guesses.level(NEED, text) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Je maîtrise le tableur.", 3),
        ("Je ne maîtrise pas le tableur.", None),
        ("Je ne suis pas formateur.", None),
    ],
)
def test_a_cue_that_is_denied_does_not_count(text, told):
    assert level(OFFER, text) == told


def test_a_wish_counts_more_than_where_one_stands():
    assert level(NEED, "Je débute, mais je veux le faire toute seule.") == 2


def test_an_offer_for_beginners_by_one_who_knows_is_left_open():
    assert level(OFFER, "J’aide les débutants ; je fais cela tous les jours.") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Nous tenons une petite boulangerie.", "10.71C"),
        ("Fleuriste à Rennes, je note tout sur papier.", "47.76Z"),
        ("Notre boulangerie-pâtisserie ferme le lundi.", "10.71C"),
    ],
)
def test_the_trade_that_the_author_says_is_theirs_is_found(app, text, code):
    guess = guesses.sector(text)

    assert guess.sector.code == code
    assert guess.sector.label


@pytest.mark.parametrize(
    "text",
    [
        "Mon comptable veut tout en PDF.",
        "Un voisin qui tient une boulangerie m’en a parlé.",
        "Le fleuriste d’à côté vend en ligne.",
        "Nous avons un garage et nous tenons un restaurant.",
        "La boulangerie d’en face a un écran.",
    ],
)
def test_the_trade_of_others_or_two_trades_give_none(app, text):
    assert guesses.sector(text) is None


def test_a_text_of_a_hundred_thousand_characters_is_read(app):
    assert level(NEED, "je débute " * 10_000) == 1
