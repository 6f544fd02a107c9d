"""What other sites take from this one: links, widget, feed, data for search engines."""

import json
import re
import xml.etree.ElementTree as ET
from datetime import date
from html import unescape

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from marketplace.extensions import db
from marketplace.models import ListingState, VisitCount, VisitKind
from marketplace.services import integration, listings, sitemap
from tests.support.builders import CESSON, PASSWORD, RENNES_METROPOLE

ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
WIRE_MAX_BYTES = 30_000


def policy_of(response) -> dict[str, str]:
    rules = response.headers["Content-Security-Policy"].split(";")
    return dict(rule.strip().split(" ", 1) for rule in rules)


def counted() -> list[tuple[VisitKind, str, str, int]]:
    rows = select(VisitCount.kind, VisitCount.campaign, VisitCount.territory_siren, VisitCount.count)
    return [tuple(row) for row in db.session.execute(rows.order_by(VisitCount.kind))]


def titles(response) -> list[str]:
    return [unescape(found) for found in re.findall(r"<h2><a[^>]*>([^<]*)</a>", response.text)]


# --- Links ---


def test_a_link_fills_the_form_and_what_it_says_wrongly_is_left_out(client):
    address = "/publier/besoin?competence=boutique-en-ligne&commune=35510&secteur=10.71C&effectif=1-9"
    page = client.get(f"{address}&niveau=99&rayon=beaucoup&campagne=francenum").text
    assert re.search(r'<option selected value="boutique-en-ligne"', page)
    assert 'name="niveau" type="radio" value="2"' in page
    unknown = client.get("/publier/besoin?competence=inconnue&commune=&secteur=zz&effectif=mille")
    assert unknown.status_code == 200


@pytest.mark.parametrize("path", ["/recherche", "/besoins", "/savoir-faire"])
def test_a_link_to_a_list_bears_values_that_nobody_knows(client, market, path):
    market.need(), market.offer()
    response = client.get(
        f"{path}?competence=inconnue&commune=Nulle-Part&territoire=1&secteur=?&effectif=9&page=x"
    )
    assert response.status_code == 200
    assert "<article" in response.text


# --- Visits ---


def test_a_visit_that_a_campaign_brings_is_counted_without_a_cookie(client, market):
    need = market.need()
    client.get(f"/annonces/{need.id}?campagne=France%20Num%20!", follow_redirects=True)
    response = client.get("/besoins?campagne=france-num")
    assert counted() == [(VisitKind.LINK, "france-num", "", 2)]
    assert "Set-Cookie" not in response.headers


def test_visits_are_told_apart_by_where_they_come_from(client):
    for origin in ("widget", "flux", "ailleurs"):
        client.get(f"/savoir-faire?campagne=cci&origine={origin}&territoire={RENNES_METROPOLE}")
    assert counted() == [
        (VisitKind.FEED, "cci", RENNES_METROPOLE, 1),
        (VisitKind.LINK, "cci", RENNES_METROPOLE, 1),
        (VisitKind.WIDGET, "cci", RENNES_METROPOLE, 1),
    ]


def test_what_is_no_page_for_a_person_is_no_visit(client):
    for path in ("/nulle-part", "/healthz", "/integration", "/mon-espace"):
        client.get(f"{path}?campagne=cci")
    client.head("/besoins?campagne=cci")
    assert counted() == []


def test_figures_of_visits_are_shown(client):
    client.get("/besoins?campagne=francenum")
    client.get("/widget/annonces?campagne=francenum", headers={"Sec-Fetch-Site": "cross-site"})
    assert re.search(
        r"francenum</th><td>1</td><td>1</td><td>0</td><td>0</td>", client.get("/integration").text
    )


def test_figures_are_those_of_the_territory_that_one_chose(client, market):
    market.open_territory(RENNES_METROPOLE)
    client.get(f"/besoins?campagne=mairie&territoire={RENNES_METROPOLE}")
    client.get("/besoins?campagne=ailleurs")
    page = client.get(f"/integration?territoire={RENNES_METROPOLE}").text
    assert "mairie</th>" in page
    assert "ailleurs</th>" not in page


def test_a_day_holds_so_many_campaigns_and_the_others_together(client, monkeypatch):
    monkeypatch.setattr(integration, "ROWS_A_DAY", 2)
    for campaign in ("a", "b", "c", "d", "a"):
        client.get(f"/besoins?campagne={campaign}&territoire={RENNES_METROPOLE}")
    assert sorted(counted()) == [
        (VisitKind.LINK, "a", RENNES_METROPOLE, 2),
        (VisitKind.LINK, "autres", "", 2),
        (VisitKind.LINK, "b", RENNES_METROPOLE, 1),
    ]


@pytest.mark.parametrize("wrong", ["x", "1" * 500, "243500139 ", "'; DROP TABLE", "%00"])
def test_a_territory_that_is_none_counts_as_none(client, wrong):
    client.get("/besoins", query_string={"campagne": "cci", "territoire": wrong.replace("%00", "\ufffd")})
    assert counted() == [(VisitKind.LINK, "cci", "", 1)]


def test_a_database_that_is_busy_costs_a_visit_and_no_page(client, monkeypatch):
    def busy(*_args, **_options):
        raise OperationalError("UPDATE", {}, Exception("locked"))

    monkeypatch.setattr(integration, "count_visit", busy)
    assert client.get("/besoins?campagne=cci").status_code == 200


# --- Widget ---


def test_the_widget_shows_the_newest_that_pass(client, market, clock):
    old = market.offer(skill="tableur", title="Un tableau de caisse")
    clock.move(hours=1)
    new = market.offer(skill="tableur", title="Des formules « simples »")
    market.offer(skill="boutique-en-ligne")
    market.offer(skill="tableur", state=ListingState.PAUSED)
    shown = client.get("/widget/annonces?competence=tableur&type=savoir-faire")
    assert titles(shown) == [new.title, old.title]


def test_links_of_the_widget_leave_the_frame_and_say_where_they_come_from(client, market):
    need = market.need()
    page = client.get(f"/widget/annonces?territoire={RENNES_METROPOLE}&campagne=Mairie").text
    links = re.findall(r"<a ([^>]*)>", page)
    assert len(links) == 4
    assert all('target="_top" rel="noopener"' in link for link in links)
    address = unescape(re.search(rf'href="(/annonces/{need.id}-[^"]*)"', page)[1])
    assert address.endswith(f"?campagne=mairie&origine=widget&territoire={RENNES_METROPOLE}")
    client.get(address)
    assert (VisitKind.WIDGET, "mairie", RENNES_METROPOLE, 1) in counted()


def test_the_widget_touches_no_session_even_of_somebody_logged_in(client, login, market):
    login(market.user())
    response = client.get("/widget/annonces")
    assert "Set-Cookie" not in response.headers
    assert "Cookie" not in response.headers.get("Vary", "")
    assert "<script" not in response.text
    assert policy_of(response)["default-src"] == "'none'"
    assert "script-src" not in policy_of(response)


def test_whoever_stays_logged_in_is_a_visitor_there(app, client, market):
    person = market.user()
    sent = {"mail": person.email, "mot_de_passe": PASSWORD, "rester_connecte": "y"}
    client.post("/connexion", data=sent)
    client.delete_cookie("session")
    for path in ("/widget/annonces", "/flux/annonces.atom", "/sitemap.xml", "/sitemap-pages.xml"):
        response = client.get(path)
        assert response.status_code == 200, path
        assert "Set-Cookie" not in response.headers
    assert client.get("/widget/nulle-part").status_code == 404
    assert client.get("/mon-espace").status_code == 200


def test_only_the_sites_of_the_setting_frame_the_widget_and_nobody_frames_a_page(app, client):
    app.config["WIDGET_ORIGINS"] = "https://www.francenum.example https://*.cci.example"
    widget = policy_of(client.get("/widget/annonces"))
    assert widget["frame-ancestors"] == "'self' https://www.francenum.example https://*.cci.example"
    for path in ("/", "/integration", "/besoins", "/connexion", "/flux/annonces.atom", "/nulle-part"):
        assert policy_of(client.get(path))["frame-ancestors"] == "'none'"


def test_the_widget_is_light(client, market):
    with market.in_one_transaction():
        for _ in range(12):
            market.need(title="x" * 100)
    page = client.get("/widget/annonces?nombre=10")
    style = client.get(re.search(r'<link rel="stylesheet" href="([^"]*)"', page.text)[1])
    assert len(titles(page)) == 10
    assert len(page.data) + len(style.data) < WIRE_MAX_BYTES


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("", 5),
        ("nombre=2", 2),
        ("nombre=0", 1),
        ("nombre=999999999999", 6),
        ("nombre=-3", 5),
        ("nombre=x", 5),
    ],
)
def test_the_number_of_listings_is_bounded(client, market, query, number):
    with market.in_one_transaction():
        for _ in range(6):
            market.need()
    assert len(titles(client.get(f"/widget/annonces?{query}"))) == number


def test_the_widget_bears_what_it_does_not_know(client, market):
    market.need(title="Toujours là")
    response = client.get(
        "/widget/annonces?competence=%22%3E&territoire=1&theme=rose&hauteur=9&nombre=%F0%9F%A5%96"
    )
    assert titles(response) == ["Toujours là"]
    assert 'class="theme-auto"' in response.text
    assert "<script" not in response.text


@pytest.mark.parametrize("theme", ["clair", "sombre", "auto"])
def test_the_widget_has_the_theme_that_is_asked_for(client, theme):
    assert f'class="theme-{theme}"' in client.get(f"/widget/annonces?theme={theme}").text


def test_the_widget_says_when_it_has_nothing(client):
    assert "Aucune annonce ici pour l’instant" in client.get("/widget/annonces").text


def test_the_height_is_told_only_when_that_is_asked_for(client):
    told = client.get("/widget/annonces?hauteur=auto")
    assert '<script src="/widget/hauteur.js" async>' in told.text
    assert policy_of(told)["script-src"] == "'self'"
    script = client.get("/widget/hauteur.js")
    assert script.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "javascript" in script.mimetype
    assert len(script.text.splitlines()) <= 20


def test_the_widget_is_not_sent_twice(client, market):
    market.need()
    first = client.get("/widget/annonces")
    again = client.get("/widget/annonces", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


# --- The page that shows how ---


def test_the_page_shows_the_code_of_what_was_chosen_and_previews_it(client, market):
    market.open_territory(RENNES_METROPOLE)
    response = client.get(
        f"/integration?competence=tableur&territoire={RENNES_METROPOLE}&theme=sombre&nombre=3&campagne=mairie"
    )
    page = unescape(response.text)
    query = f"competence=tableur&territoire={RENNES_METROPOLE}&theme=sombre&nombre=3&campagne=mairie"
    assert f'src="http://localhost/widget/annonces?{query}"' in unescape(page)
    assert f'<iframe class="preview" src="/widget/annonces?{query}"' in page
    assert "http://localhost/publier/besoin?competence=tableur&campagne=mairie" in page
    assert policy_of(response)["frame-src"] == "'self'"


def test_the_page_bears_choices_that_nobody_knows(client):
    response = client.get("/integration?competence=x&theme=rose&nombre=99&campagne=%22%3E%3Cscript%3E")
    assert response.status_code == 200
    assert 'src="/widget/annonces?campagne=' in response.text


# --- Feed ---


def entries(response) -> list[ET.Element]:
    return ET.fromstring(response.data).findall(f"{ATOM}entry")


def test_the_feed_holds_what_rfc_4287_asks_of_it(client, market):
    need = market.need(
        title="Confitures & miels <en ligne>", description="Vingt mots\u000bou presque\ufffe ici."
    )
    response = client.get("/flux/annonces.atom")
    assert response.mimetype == "application/atom+xml"
    feed = ET.fromstring(response.data)
    (entry,) = feed.findall(f"{ATOM}entry")
    for element in (feed, entry):
        assert all(element.findtext(f"{ATOM}{name}") for name in ("id", "title", "updated"))
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links["self"] == feed.findtext(f"{ATOM}id") == "http://localhost/flux/annonces.atom"
    assert entry.findtext(f"{ATOM}title") == need.title
    assert entry.findtext(f"{ATOM}id").startswith(f"http://localhost/annonces/{need.id}-")
    assert entry.find(f"{ATOM}author").findtext(f"{ATOM}name").startswith("Structure")
    assert "Set-Cookie" not in response.headers


def test_the_feed_is_narrowed_like_a_list(client, market):
    here, there = market.organisation(commune=CESSON), market.organisation(commune="75056")
    wanted = market.offer(organisation=here, skill="tableur")
    market.offer(organisation=there, skill="tableur")
    market.offer(organisation=here)
    market.need(organisation=here, skill="tableur")
    response = client.get(
        f"/flux/annonces.atom?territoire={RENNES_METROPOLE}&competence=tableur&type=savoir-faire"
    )
    assert [entry.findtext(f"{ATOM}title") for entry in entries(response)] == [wanted.title]


def test_a_reader_that_has_the_feed_is_not_sent_it_again_until_it_changes(client, market, clock):
    need = market.need()
    first = client.get("/flux/annonces.atom")
    assert (
        client.get("/flux/annonces.atom", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    )
    clock.move(minutes=2)
    listings.withdraw(need.id, by=market.speaker(need))
    changed = client.get("/flux/annonces.atom", headers={"If-None-Match": first.headers["ETag"]})
    assert (changed.status_code, entries(changed)) == (200, [])
    since = changed.headers["Last-Modified"]
    assert client.get("/flux/annonces.atom", headers={"If-Modified-Since": since}).status_code == 304
    clock.move(minutes=2)
    other = market.need()
    listings.pause(other.id, by=market.speaker(other))
    assert client.get("/flux/annonces.atom", headers={"If-Modified-Since": since}).status_code == 200


@pytest.mark.parametrize(
    ("path", "feed"),
    [
        ("/besoins?competence=tableur&tri=date", "/flux/annonces.atom?competence=tableur&type=besoin"),
        ("/recherche?q=caisse", "/flux/annonces.atom?q=caisse"),
        ("/competences/tableur", "/flux/annonces.atom?competence=tableur"),
        (f"/territoires/{RENNES_METROPOLE}", f"/flux/annonces.atom?territoire={RENNES_METROPOLE}"),
    ],
)
def test_a_list_names_its_feed(client, path, feed):
    page = client.get(path).text
    found = re.search(r'<link rel="alternate" type="application/atom\+xml"[^>]* href="([^"]*)"', page)
    assert unescape(found[1]) == feed
    assert client.get(feed).status_code == 200


# --- Search engines and social networks ---


def data_of(response) -> dict[str, dict]:
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', response.text, re.S)
    return {node["@type"]: node for node in json.loads(text)["@graph"]}


def test_a_listing_tells_search_engines_what_it_is(client, market):
    offer = market.offer(title="Montrer </script><b> un tableur", skill="tableur")
    response = client.get(f"/annonces/{offer.id}", follow_redirects=True)
    data = data_of(response)
    assert data["Offer"]["name"] == offer.title
    assert data["Offer"]["itemOffered"][0]["@type"] == "Service"
    assert data["Organization"]["makesOffer"] == {"@id": data["Offer"]["@id"]}
    way = [item["item"] for item in data["BreadcrumbList"]["itemListElement"]]
    assert way[:2] == ["http://localhost/savoir-faire", "http://localhost/competences/tableur"]
    for address in way:
        assert client.get(address.removeprefix("http://localhost")).status_code == 200
    need = market.need()
    assert "Demand" in data_of(client.get(f"/annonces/{need.id}", follow_redirects=True))


def test_a_listing_that_is_not_online_tells_search_engines_nothing(client, login, market):
    need = market.need(state=ListingState.PENDING)
    login(market.speaker(need))
    page = client.get(f"/annonces/{need.id}", follow_redirects=True).text
    assert "ld+json" not in page
    assert "noindex" in page


def test_a_listing_has_one_address_whatever_brought_one_there(client, market):
    need = market.need()
    page = client.get(f"/annonces/{need.id}?campagne=cci", follow_redirects=True).text
    canonical = re.search(r'<link rel="canonical" href="([^"]*)"', page)[1]
    assert canonical.startswith(f"http://localhost/annonces/{need.id}-")
    assert "campagne" not in canonical


def test_a_page_that_is_shared_has_its_title_and_no_picture_from_elsewhere(client, market):
    need = market.need(title='Vendre "mes" confitures')
    page = client.get(f"/annonces/{need.id}", follow_redirects=True).text
    told = dict(re.findall(r'<meta property="og:([a-z_]+)" content="([^"]*)">', page))
    assert unescape(told["title"]) == need.title
    assert told["url"].startswith(f"http://localhost/annonces/{need.id}-")
    assert "image" not in told


def addresses(response) -> list[str]:
    return [
        loc.text.removeprefix("http://localhost")
        for loc in ET.fromstring(response.data).iter(f"{SITEMAP}loc")
    ]


def test_the_map_leads_by_its_files_to_pages_that_exist(client, market):
    market.open_territory(RENNES_METROPOLE)
    need = market.need(title="Vendre mes confitures & miels")
    market.need(state=ListingState.PENDING)
    provider = market.provider("Atelier du Web")
    market.provider("Ancien Atelier", label={"valid_until": date(2020, 1, 1)})
    files = addresses(client.get("/sitemap.xml"))
    found = {file: addresses(client.get(file)) for file in files}
    assert found["/sitemap-annonces-1.xml"] == [f"/annonces/{need.id}-vendre-mes-confitures-miels"]
    assert found["/sitemap-prestataires-1.xml"] == [f"/prestataires/{provider.id}-atelier-du-web"]
    assert len(found["/sitemap-competences.xml"]) == 92
    assert found["/sitemap-territoires.xml"] == [f"/territoires/{RENNES_METROPOLE}"]
    for address in [*found["/sitemap-pages.xml"], *(of_file[0] for of_file in found.values())]:
        assert client.get(address).status_code == 200


def test_a_file_of_the_map_holds_no_more_than_it_may(client, market, monkeypatch):
    monkeypatch.setattr(sitemap, "FILE_MAX", 3)
    with market.in_one_transaction():
        needs = [market.need() for _ in range(7)]
    files = [file for file in addresses(client.get("/sitemap.xml")) if "annonces" in file]
    listed = [addresses(client.get(file)) for file in files]
    assert max(len(of_file) for of_file in listed) <= 3
    ids = [int(re.search(r"/annonces/(\d+)", address)[1]) for of_file in listed for address in of_file]
    assert ids == [need.id for need in needs]


@pytest.mark.parametrize("name", ["annonces-0", "annonces-999999", "annonces", "x", "annonces-01", "pages.."])
def test_a_file_that_the_map_does_not_name_is_not_found(client, name):
    assert client.get(f"/sitemap-{name}.xml").status_code == 404


def test_a_listing_past_its_term_is_not_in_the_map(client, market, clock):
    market.need()
    clock.move(days=91)
    assert addresses(client.get("/sitemap-annonces-1.xml")) == []
