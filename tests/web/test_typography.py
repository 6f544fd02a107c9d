"""What must not stand alone at the end or the start of a line keeps to its word."""

import pytest
from markupsafe import Markup

from marketplace.web.typography import set_apart


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Votre annonce : « pain » ?", "Votre annonce~: «~pain~»~?"),
        ("merci ! Déjà ; et {{ title }} : oui", "merci~! Déjà~; et {{ title }}~: oui"),
        ("« {{ title }} »", "«~{{ title }}~»"),
        ("une ligne\n  : et sa suite", "une ligne\n  : et sa suite"),
        ("{% if a != b %}", "{% if a != b %}"),
        ("à 10:30, :root", "à 10:30, :root"),
        ("rien à séparer.", "rien à séparer."),
    ],
)
def test_signs_keep_to_their_words(written, read):
    assert set_apart(written) == read.replace("~", "\u00a0")


def test_markup_stays_markup_and_text_stays_text():
    assert isinstance(set_apart(Markup("<b>Quoi ?</b>")), Markup)
    assert not isinstance(set_apart("<b>Quoi ?</b>"), Markup)


def test_the_texts_of_pages_and_the_messages_of_forms_are_set_apart(client):
    page = client.get("/publier/besoin").data.decode()
    assert "Qu’aimeriez-vous apprendre\u00a0?" in page
    answer = client.post("/inscription", data={"mail": "lea"}).data.decode()
    assert "Exemple\u00a0: prenom@entreprise.fr" in answer


def test_what_people_wrote_comes_back_as_they_wrote_it(client):
    written = "Comment vendre : « vite » et bien ?"
    page = client.post("/publier/besoin", data={"description": written}).data.decode()
    assert written in page
