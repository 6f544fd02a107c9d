"""Home, explanations, legal notices, and what every page shares."""

import re

import pytest
from sqlalchemy.exc import OperationalError

from marketplace import clock
from marketplace.extensions import db
from marketplace.matching.policy import BOUNDS, VERSION, WEIGHTS
from marketplace.models import MatchingRound
from marketplace.services import listings, mailer, search
from tests.support.builders import RENNES_METROPOLE
from tests.support.queries import counted

PAGES = [
    "/",
    "/besoins",
    "/savoir-faire",
    "/competences",
    "/competences/tableur",
    "/territoires",
    "/territoires/243500139",
    "/algorithme",
    "/accessibilite",
    "/donnees-personnelles",
    "/mentions-legales",
    "/n-importe-quoi",
]


def text(response):
    return response.get_data(as_text=True)


def header(page):
    return page[page.index("<header") : page.index("</header>")]


@pytest.fixture
def shown(market):
    """Something to show on every page."""
    market.open_territory(RENNES_METROPOLE)
    return market.need(skill="tableur"), market.offer(skill="tableur")


# --- Every page ---


@pytest.mark.parametrize("path", PAGES)
def test_a_page_asks_nothing_of_another_site(client, shown, path):
    page = text(client.get(path))
    assert [
        address for address in re.findall(r'(?:src|href|action)="([^"]*)"', page) if "//" in address
    ] == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_holds_no_script_and_no_style_of_its_own(client, shown, path):
    page = text(client.get(path))
    assert re.findall(r"<script(?![^>]* src=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", page) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_its_language_its_title_one_heading_and_a_way_past_the_menu(client, shown, path):
    page = text(client.get(path))
    assert '<html lang="fr">' in page
    assert re.search(r"<title>\S.* – 1 besoin – 1 savoir-faire</title>", page)
    assert len(re.findall(r"<h1[ >]", page)) == 1
    assert '<a class="skip" href="#contenu">' in page
    assert '<main class="page" id="contenu"' in page


@pytest.mark.parametrize("path", PAGES)
def test_ids_are_unique_and_what_points_to_them_finds_them(client, shown, path):
    page = text(client.get(path))
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    named = " ".join(re.findall(r'(?:aria-labelledby|aria-describedby|for)="([^"]*)"', page)).split()
    assert set(named) | set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_comes_with_its_security_headers(client, path):
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_what_the_pages_need_is_served_and_may_be_kept(client):
    page = text(client.get("/"))
    for address in re.findall(r'(?:src|href)="(/static/[^"]*)"', page):
        response = client.get(address)
        assert response.status_code == 200
        assert "max-age=31536000" in response.headers["Cache-Control"]


def test_the_menu_of_a_visitor_leads_to_the_login(client):
    menu = header(text(client.get("/")))
    assert "Connexion" in menu
    assert "Déconnexion" not in menu
    assert "Modération" not in menu


def test_the_menu_of_a_person_leads_to_their_space(market, login):
    menu = header(text(login(market.user()).get("/")))
    assert "Mon espace" in menu
    assert "Déconnexion" in menu
    assert "Modération" not in menu


@pytest.mark.parametrize("role", ["moderator", "admin"])
def test_the_menu_of_a_moderator_leads_to_the_queue(market, login, role):
    person = market.moderator() if role == "moderator" else market.admin()
    assert 'href="/moderation"' in header(text(login(person).get("/")))


def test_the_menu_says_where_one_is(client):
    assert '<a href="/besoins" aria-current="page">' in header(text(client.get("/besoins")))


@pytest.mark.parametrize("shown", [False, True])
def test_a_demonstration_says_so_on_every_page(client, app, shown):
    app.config["DEMONSTRATION"] = shown
    assert ("Démonstration." in text(client.get("/besoins"))) is shown


def test_a_message_is_said_to_those_who_hear_the_page(client):
    client.post("/deconnexion")
    page = text(client.get("/"))
    status = page[page.index('role="status"') :]
    assert "Vous êtes déconnecté." in status[: status.index("<main")]


def test_a_database_that_does_not_answer_is_not_asked_for_its_own_error_page(market, login, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    client = login(market.admin())
    monkeypatch.setattr(search, "find", fail)
    with counted() as queries:
        response = client.get("/besoins")
    assert response.status_code == 503
    assert "Réessayez dans une minute" in text(response)
    assert not [each for each in queries.statements if "user" in each]


# --- Home ---


def test_the_home_page_leads_from_ones_own_words_to_the_form(client):
    page = text(client.get("/"))
    form = page[page.index('<form class="ask"') :]
    assert 'action="/publier/besoin"' in form
    assert 'name="description"' in form
    filled = text(client.get("/publier/besoin?description=Je veux vendre mes confitures"))
    assert "Je veux vendre mes confitures" in filled


def test_the_home_page_shows_the_latest_of_both_kinds(client, market):
    for number in range(4):
        market.need(title=f"besoin {number}")
        market.offer(title=f"savoir-faire {number}")
    page = text(client.get("/"))
    assert re.findall(r">(besoin \d)<", page) == ["besoin 3", "besoin 2", "besoin 1"]
    assert re.findall(r">(savoir-faire \d)<", page) == ["savoir-faire 3", "savoir-faire 2", "savoir-faire 1"]


def test_the_home_page_of_an_empty_site_shows_no_empty_list(client):
    page = text(client.get("/"))
    assert "Ils veulent apprendre" not in page
    assert "Ils peuvent vous montrer" not in page


def test_the_home_page_leads_to_lists_by_commune(client):
    page = text(client.get("/"))
    assert re.search(r'<form class="search-row"[^>]*action="/savoir-faire"', page)
    assert 'formaction="/besoins"' in page


def test_the_home_page_takes_a_fixed_number_of_queries(client, market):
    read = []
    for _ in range(2):
        for _ in range(3):
            market.need()
            market.offer()
        with counted() as queries:
            client.get("/")
        read.append(int(queries))
    assert read[0] == read[1] <= 8


# --- The matcher, explained ---


def rows(page):
    return re.findall(r'<tr>\s*<th scope="row">(.*?)</tr>', page, re.S)


def test_the_matcher_is_told_with_its_weights_and_all_its_settings(client):
    page = text(client.get("/algorithme"))
    for default, least, most in WEIGHTS.values():
        told = rf"{100 * default:.0f}\s%</td>\s*<td[^>]*>{100 * least:.0f}\s% à {100 * most:.0f}\s%"
        assert re.search(told, page)
    assert len(rows(page)) == len(WEIGHTS) + len(BOUNDS)
    assert f"<dd>{VERSION}</dd>" in page


def test_every_number_of_the_matcher_has_its_words(client):
    said = [re.sub(r"<[^>]*>", " ", row).split()[0] for row in rows(text(client.get("/algorithme")))]
    assert all(word[0].isupper() for word in said)


def test_the_matcher_is_told_with_the_weights_of_a_territory(client, market):
    territory = market.open_territory(RENNES_METROPOLE)
    territory.policy = {"weights": {"skill": 0.5, "distance": 0.16}}
    db.session.commit()
    page = text(client.get("/algorithme?territoire=243500139"))
    assert "avec les réglages de Rennes Métropole" in page
    assert re.search(r"50\s%</td>", page)
    assert re.search(r"16\s%</td>", page)


@pytest.mark.parametrize("siren", ["000000000", "x" * 5000, "%FF"])
def test_the_weights_of_no_territory_are_not_found(client, siren):
    assert client.get(f"/algorithme?territoire={siren}").status_code == 404


def test_the_last_rounds_are_shown_with_their_figures(client, db_session):
    assert "Aucune vague" in text(client.get("/algorithme"))
    figures = {
        "needs": 311, "offers": 322, "edges": 900, "matched": 250, "circles": 7, "written": 248,
        "total_weight": 201.24, "greedy_weight": 195.0, "greedy_matched": 240,
        "first_come_weight": 170.36, "first_come_matched": 236,
    }  # fmt: skip
    db_session.add(MatchingRound(started_at=clock.now(), finished_at=clock.now(), policy={}, figures=figures))
    db_session.commit()
    page = text(client.get("/algorithme"))
    for told in ("311", "322", "248", "7", "201,2", "170,4"):
        assert f'<td class="numeric">{told}</td>' in page


@pytest.mark.parametrize(
    "question", ["utile", "accessible", "utilisable", "discutable", "intelligible", "adaptable"]
)
def test_the_six_questions_are_answered(client, question):
    assert re.search(rf"<dt>Est-il {question} \?</dt><dd>\S", text(client.get("/algorithme")))


# --- Legal pages ---


def test_periods_are_those_that_the_site_applies(client):
    assert f"{listings.LIFETIME.days} jours" in text(client.get("/donnees-personnelles"))


@pytest.mark.parametrize(
    "path", ["/mentions-legales", "/donnees-personnelles", "/accessibilite", "/algorithme"]
)
def test_people_know_whom_to_write_to(client, app, path):
    app.config["CONTACT_EMAIL"] = "bonjour@echange.example"
    assert 'href="mailto:bonjour@echange.example"' in text(client.get(path))


def test_the_publisher_and_the_host_are_told(client, app):
    app.config["PUBLISHER"] = "Association Échange\n1 place de la Mairie"
    app.config["HOSTING"] = "Machines & Cie"
    page = text(client.get("/mentions-legales"))
    assert "Association Échange\n1 place de la Mairie" in page
    assert "Machines &amp; Cie" in page


# --- For search engines ---


def test_robots_are_told_where_the_map_is_and_what_is_private(client):
    page = text(client.get("/robots.txt"))
    assert "Sitemap: http://localhost/sitemap.xml" in page
    assert "Disallow: /mon-espace" in page


# --- Mail ---


def test_a_message_says_the_same_in_text_and_html(market):
    person = market.user(name="Ana <b>Blé</b>")
    mail = mailer.compose("already_registered", to=person.email, person=person)
    assert "Ana <b>Blé</b>" in mail.text
    assert "Ana &lt;b&gt;Blé&lt;/b&gt;" in mail.html
    assert mail.subject in mail.html
    for address in re.findall(r"http://\S+", mail.text):
        assert f'href="{address}"' in mail.html
