"""Search as the browser sees it: its state is in the address, and it works without JavaScript."""

import re

import pytest

from marketplace import create_app
from marketplace.models import Frequency, Place
from marketplace.services import saved_searches
from marketplace.services.directory import Filters
from marketplace.web.forms import INVISIBLE, NOT_A_NUMBER, UNKNOWN_COMMUNE
from tests.support import databases
from tests.support.builders import CESSON, LIFFRE, PASSWORD
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


# --- Saved searches ---


@pytest.fixture
def reader(market, login):
    user = market.user()
    login(user)
    return user


def kept(user):
    return saved_searches.mine(user)


def test_one_click_saves_what_is_on_the_page(client, market, reader, shop):
    page = text(client.get("/recherche?q=boutique&commune=35510&rayon=3&type=besoin"))
    [address] = re.findall(r'action="(/mon-espace/recherches\?[^"]*)"', page)
    done = client.post(address.replace("&amp;", "&"), follow_redirects=True)
    assert "C’est enregistré" in text(done)
    assert "« boutique », à 3 km au plus de Cesson-Sévigné, besoins" in text(done)
    [saved] = kept(reader)
    assert saved_searches.address(saved) == {
        "q": "boutique", "commune": "Cesson-Sévigné (35510)", "rayon": "3", "type": "besoin",
    }  # fmt: skip


def test_a_list_saves_its_kind(client, reader, shop):
    page = text(client.get("/savoir-faire?competence=tableur"))
    [address] = re.findall(r'action="(/mon-espace/recherches\?[^"]*)"', page)
    client.post(address.replace("&amp;", "&"))
    assert saved_searches.address(kept(reader)[0]) == {"type": "savoir-faire", "competence": "tableur"}


def test_a_visitor_logs_in_first_and_finds_the_search_again(client, market, shop):
    [address] = links(text(client.get("/recherche?q=boutique")), "Être prévenu des nouvelles annonces")
    user = market.user()
    to_log_in = client.get(address).location
    assert to_log_in.startswith("/connexion?")
    back = client.post(to_log_in, data={"mail": user.email, "mot_de_passe": PASSWORD}).location
    page = text(client.get(back))
    assert "« boutique »" in page
    assert "Enregistrer cette recherche" in page
    assert kept(user) == []


def test_the_rhythm_is_changed_and_a_search_removed(client, reader):
    saved = saved_searches.save(None, Filters(words="facture"), by=reader)
    address = f"/mon-espace/recherches/{saved.id}"
    assert "C’est enregistré" in text(
        client.post(address, data={"frequence": "weekly"}, follow_redirects=True)
    )
    assert kept(reader)[0].frequency is Frequency.WEEKLY
    for nonsense in ("", "yearly", "x" * 1000):
        answer = client.post(address, data={"frequence": nonsense}, follow_redirects=True)
        assert "Choisissez un rythme" in text(answer)
    assert kept(reader)[0].frequency is Frequency.WEEKLY
    client.post(f"{address}/supprimer")
    assert kept(reader) == []


def test_a_search_of_everything_is_refused_with_a_sentence(client, reader):
    answer = client.post("/mon-espace/recherches?type=besoin", follow_redirects=True)
    assert "Précisez d’abord" in text(answer)


def test_the_link_of_a_mail_asks_before_it_stops(client, market):
    saved = saved_searches.save(None, Filters(words="facture"), by=market.user())
    address = f"/recherches/arreter/{saved_searches.stop_token(saved)}"
    assert "Arrêter ces messages" in text(client.get(address))
    assert saved.frequency is Frequency.DAILY
    for _ in range(2):
        assert "C’est fait" in text(client.post(address, data={"List-Unsubscribe": "One-Click"}))
    assert saved.frequency is Frequency.OFF
    assert "C’est fait" in text(client.get(address))


def test_a_mail_program_stops_a_search_without_a_session(app, client, market):
    app.config["WTF_CSRF_ENABLED"] = True
    saved = saved_searches.save(None, Filters(words="facture"), by=market.user())
    address = f"/recherches/arreter/{saved_searches.stop_token(saved)}"
    assert client.post(address, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert saved.frequency is Frequency.OFF
    assert client.post("/recherches/arreter/nonsense").status_code == 410


def test_the_lists_of_a_new_site_are_empty(sqlite):
    new_site = create_app(databases.settings(sqlite.new(), sqlite.folder)).test_client()

    for path in ("/besoins", "/savoir-faire", "/recherche?q=boutique", "/"):
        assert new_site.get(path).status_code == 200, path
