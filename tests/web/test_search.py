"""Search as the browser sees it: its state is in the address, and it works without JavaScript."""

import re

import pytest

from marketplace.models import Place
from marketplace.web.forms import INVISIBLE, NOT_A_NUMBER, UNKNOWN_COMMUNE
from tests.support.builders import CESSON, LIFFRE
from tests.support.queries import counted
from tests.web.test_directory import links, state_of, text, titles


@pytest.fixture
def shop(market):
    market.need(
        title="Une boutique en ligne",
        skill="boutique-en-ligne",
        places=int(Place.REMOTE),
        organisation=market.organisation(commune=CESSON),
    )
    market.offer(
        title="Ma boutique en ligne", skill="tableur", organisation=market.organisation(commune=LIFFRE)
    )
    market.need(title="Filmer", skill="tableur")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=boutik+en+lign", {"Une boutique en ligne", "Ma boutique en ligne"}),
        ("q=boutique&type=besoin", {"Une boutique en ligne"}),
        ("q=boutique&type=savoir-faire", {"Ma boutique en ligne"}),
        ("q=boutique&competence=tableur", {"Ma boutique en ligne"}),
        ("q=boutique&commune=35510&rayon=3", {"Une boutique en ligne"}),
        ("q=boutique&lieu=a-distance", {"Une boutique en ligne"}),
        ("q=boutique&territoire=243500774", {"Ma boutique en ligne"}),
        ("type=savoir-faire", {"Ma boutique en ligne"}),
        ("", {"Une boutique en ligne", "Ma boutique en ligne", "Filmer"}),
    ],
)
def test_words_and_filters_of_the_address_do_what_they_say(client, shop, query, expected):
    response = client.get(f"/recherche?{query}")
    assert response.status_code == 200
    assert set(titles(text(response))) == expected


@pytest.mark.parametrize("path", ["/recherche", "/besoins"])
def test_what_a_slip_was_read_as_is_told(client, shop, path):
    page = text(client.get(f"{path}?q=boutik"))
    assert "Nous avons compris : « boutique » pour « boutik »" in page
    assert "Nous avons compris" not in text(client.get(f"{path}?q=boutique"))


def test_words_that_no_listing_holds_together_are_told(client, shop):
    page = text(client.get("/recherche?q=boutique+xylophone"))
    assert "Aucune annonce ne contient tous ces mots." in page
    assert titles(page)


def test_each_choice_tells_what_it_would_leave_and_leads_there(client, shop):
    page = text(client.get("/recherche?q=boutique"))
    [needs] = links(page, "Besoins 1")
    assert state_of(needs) == {"q": "boutique", "type": "besoin"}
    assert titles(text(client.get(needs))) == ["Une boutique en ligne"]
    [again] = links(text(client.get(needs)), "Besoins 1")
    assert state_of(again) == {"q": "boutique"}


def test_a_list_leads_to_the_other_one_with_the_same_words(client, shop):
    [offers] = links(text(client.get("/besoins?q=boutique")), "Savoir-faire 1")
    assert offers == "/savoir-faire?q=boutique"


def test_each_filter_in_use_can_be_taken_off_alone(client, shop):
    page = text(client.get("/recherche?q=boutique&type=besoin"))
    assert state_of(links(page, "Retirer le filtre : Besoins")[0]) == {"q": "boutique"}
    assert state_of(links(page, "Retirer le filtre : « boutique »")[0]) == {"type": "besoin"}


def test_words_come_first_by_likeness_and_can_be_sorted_by_date(client, shop):
    page = text(client.get("/recherche?q=boutique"))
    assert re.search(r'aria-current="true">Les plus ressemblantes', page)
    assert links(page, "Les plus proches") == []
    assert state_of(links(page, "Les plus récentes")[0])["tri"] == "date"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("q", "x" * 101, "100 caractères au plus"),
        ("q", "a\x1bb", INVISIBLE),
        ("type", "autre", "Choisissez une réponse de la liste."),
        ("commune", "Trifouillis-les-Oies", UNKNOWN_COMMUNE),
        ("rayon", "abc", NOT_A_NUMBER),
    ],
)
def test_a_bad_filter_is_told_at_its_field_and_left_out(client, shop, name, value, message):
    response = client.get("/recherche", query_string={name: value})
    assert response.status_code == 200
    assert len(titles(text(response))) == 3
    assert re.search(rf'<p class="field-error" id="{name}-error">{re.escape(message)}', text(response))


@pytest.mark.parametrize("words", ["%", "_", "\"'", "')) --", "AND", "NEAR(a b)", "a*", "title:x", "{", "🥖"])
def test_nothing_typed_breaks_the_page(client, shop, words):
    assert client.get("/recherche", query_string={"q": words}).status_code == 200


def test_the_page_takes_as_many_queries_for_many_as_for_few(client, market):
    read = []
    for _ in range(2):
        for _ in range(4):
            market.need(title="Ma facture", extra_skills=["tableur"])
        client.get("/recherche?q=facture")
        with counted() as queries:
            client.get("/recherche?q=facture")
        read.append(int(queries))
    assert read[0] == read[1] <= 20
