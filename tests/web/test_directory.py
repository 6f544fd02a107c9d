"""Lists, skills and territories: what the browser gets."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import ListingState, Place, SizeClass
from marketplace.services import directory
from marketplace.web.forms import INVISIBLE, NOT_A_NUMBER, SEVERAL_COMMUNES, UNKNOWN_COMMUNE
from tests.support.builders import CESSON, LIFFRE, RENNES_METROPOLE
from tests.support.queries import counted

NOT_IN_LIST = "Choisissez une réponse de la liste."
LISTS = ("/besoins", "/savoir-faire")


def text(response):
    return response.get_data(as_text=True)


def titles(page):
    return re.findall(r'<h3><a href="/annonces/[^"]*">([^<]*)</a>', page)


def links(page, label):
    """Return the addresses of the links whose text is `label`."""
    return [
        href.replace("&amp;", "&")
        for href, inside in re.findall(r'<a [^>]*?href="([^"]*)"[^>]*>(.*?)</a>', page, re.S)
        if re.sub(r"<[^>]*>", "", inside).strip() == label
    ]


def state_of(address):
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


# --- A list ---


def test_each_list_shows_its_kind_and_leads_to_the_listing(client, market):
    need, offer = market.need(title="Vendre mes confitures"), market.offer(title="Monter un site")
    for path, listing in (("/besoins", need), ("/savoir-faire", offer)):
        page = text(client.get(path))
        assert titles(page) == [listing.title]
        [address] = links(page, listing.title)
        assert client.get(address).status_code == 200


def test_a_card_says_who_where_and_what(client, market):
    firm = market.organisation(name="Le Bon Pain", commune=CESSON, sector="10.71C")
    market.need(organisation=firm, skill="boutique-en-ligne", places=int(Place.REMOTE))
    page = text(client.get("/besoins"))
    for told in ("Le Bon Pain", "Cesson-Sévigné", "Boulangerie et boulangerie-pâtisserie", "À distance"):
        assert told in page
    assert market.skill("boutique-en-ligne").label in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("competence=tableur", ["tableur à Cesson"]),
        ("domaine=bureautique", ["tableur à Cesson"]),
        ("commune=Cesson-Sévigné&rayon=5", ["tableur à Cesson"]),
        ("commune=35510&rayon=5", ["tableur à Cesson"]),
        ("commune=35051&rayon=5", ["tableur à Cesson"]),
        ("territoire=243500139", ["tableur à Cesson"]),
        ("secteur=C", ["tableur à Cesson"]),
        ("secteur=10.71", ["tableur à Cesson"]),
        ("effectif=10-49", ["tableur à Cesson"]),
        ("lieu=a-distance", ["tableur à Cesson"]),
        ("lieu=sur-place", ["boutique à Liffré"]),
        ("q=CESSON", ["tableur à Cesson"]),
        ("competence=tableur&lieu=sur-place", []),
        ("", ["boutique à Liffré", "tableur à Cesson"]),
    ],
)
def test_each_filter_of_the_address_does_what_it_says(client, market, query, expected):
    market.need(
        title="tableur à Cesson",
        skill="tableur",
        places=int(Place.REMOTE),
        organisation=market.organisation(commune=CESSON, sector="10.71C", size_class=SizeClass.SMALL),
    )
    market.need(
        title="boutique à Liffré",
        skill="boutique-en-ligne",
        places=int(Place.HELPER),
        organisation=market.organisation(commune=LIFFRE),
    )
    response = client.get(f"/besoins?{query}")
    assert response.status_code == 200
    assert sorted(titles(text(response))) == expected


def test_a_place_puts_the_nearest_first_and_says_how_far(client, market):
    market.need(title="au loin", organisation=market.organisation(commune=LIFFRE))
    market.need(
        title="tout près",
        organisation=market.organisation(commune=CESSON),
        published_at=clock.now().replace(year=2020),
    )
    page = text(client.get("/besoins?commune=Cesson-Sévigné&rayon=50"))
    assert titles(page) == ["tout près", "au loin"]
    assert "à moins de 1 km" in page
    assert "à vol d’oiseau" in page
    [by_date] = links(page, "Les plus récentes")
    assert titles(text(client.get(by_date))) == ["au loin", "tout près"]


def test_the_radius_is_the_territorys_unless_one_is_given(client, market):
    market.open_territory(RENNES_METROPOLE).default_radius_km = 35
    db.session.commit()
    page = text(client.get("/besoins?commune=Cesson-Sévigné"))
    assert re.search(r'name="rayon"[^>]*value="35"', page)
    assert "À 35 km au plus de Cesson-Sévigné" in page


def test_a_commune_is_shown_in_full_so_that_it_stays_clear(client):
    page = text(client.get("/besoins?commune=35510"))
    assert re.search(r'name="commune"[^>]*value="Cesson-Sévigné \(35510\)"', page)


def test_a_postcode_of_several_communes_lets_one_choose_without_javascript(client):
    page = text(client.get("/besoins?commune=35500"))
    assert SEVERAL_COMMUNES in page
    insee = re.search(r'name="commune_insee" value="(\d+)">\s*<label[^>]*>Vitré', page)[1]
    chosen = text(client.get(f"/besoins?commune=35500&commune_insee={insee}"))
    assert SEVERAL_COMMUNES not in chosen
    assert 'value="Vitré (35500)"' in chosen


def test_each_filter_in_use_can_be_taken_off_alone(client, market):
    page = text(client.get("/besoins?competence=tableur&commune=35510&rayon=12&lieu=a-distance&q=facture"))
    kept = {"competence": "tableur", "commune": "Cesson-Sévigné (35510)", "rayon": "12", "lieu": "a-distance"}
    [without_words] = links(page, "Retirer le filtre : « facture »")
    assert state_of(without_words) == kept
    [without_place] = links(page, "Retirer le filtre : À 12 km au plus de Cesson-Sévigné")
    assert "commune" not in state_of(without_place)
    assert links(page, "Tout effacer") == ["/besoins"]


def test_pages_keep_the_filters(client, market):
    firm = market.organisation(commune=CESSON)
    for _ in range(21):
        market.need(organisation=firm, skill="tableur")
    first = text(client.get("/besoins?competence=tableur&commune=35510&rayon=7"))
    assert len(titles(first)) == 20
    assert "21 besoins" in first
    [address] = links(first, "Page suivante")
    assert state_of(address) == {
        "competence": "tableur", "commune": "Cesson-Sévigné (35510)", "rayon": "7", "page": "2",
    }  # fmt: skip
    second = text(client.get(address))
    assert len(titles(second)) == 1
    assert "page" not in state_of(links(second, "Page précédente")[0])


@pytest.mark.parametrize("number", ["0", "-1", "99", "1000000000", "9" * 5000, "abc", "", "1.5", "٣"])
def test_any_page_number_gives_a_page(client, market, number):
    market.need(title="le seul")
    response = client.get("/besoins", query_string={"page": number})
    assert response.status_code == 200
    assert titles(text(response)) == ["le seul"]


def test_a_list_that_was_cut_says_so_at_its_end(client, market, monkeypatch):
    monkeypatch.setattr(directory, "COUNT_MAX", 2)
    for _ in range(3):
        market.need()
    page = text(client.get("/besoins"))
    assert "Plus de 2 besoins" in page
    assert "La liste s’arrête ici" in page


def test_an_empty_list_helps_to_go_on(client):
    page = text(client.get("/savoir-faire?competence=tableur&commune=35510&rayon=12"))
    assert "Aucun savoir-faire" in page
    assert state_of(links(page, "Chercher à 24 km")[0])["rayon"] == "24"
    [publish] = links(page, "Publier un besoin")
    assert urlsplit(publish).path == "/publier/besoin"
    assert state_of(publish) == {"competence": "tableur", "commune": "Cesson-Sévigné (35510)"}


def test_a_closed_territory_can_be_asked_for_by_a_link(client, market):
    market.need(title="chez nous", organisation=market.organisation(commune=LIFFRE))
    page = text(client.get("/besoins?territoire=243500774"))
    assert titles(page) == ["chez nous"]
    assert re.search(r'<option selected value="243500774">', page)


# --- Bad input ---

BAD = [
    ("commune", "Trifouillis-les-Oies", UNKNOWN_COMMUNE),
    ("commune", "x" * 100_000, "200 caractères au plus"),
    ("commune", "Ren\x07nes", INVISIBLE),
    ("commune", "\u202eRennes", INVISIBLE),
    ("commune", "🥖", UNKNOWN_COMMUNE),
    ("rayon", "-1", "Choisissez un nombre de 0 à 200."),
    ("rayon", "201", "Choisissez un nombre de 0 à 200."),
    ("rayon", "abc", NOT_A_NUMBER),
    ("rayon", "1.5", NOT_A_NUMBER),
    ("rayon", "9" * 100, NOT_A_NUMBER),
    ("q", "x" * 100_000, "100 caractères au plus"),
    ("q", "a\x1bb", INVISIBLE),
    ("competence", "inconnue", NOT_IN_LIST),
    ("competence", "x" * 100_000, NOT_IN_LIST),
    ("domaine", "inconnu", NOT_IN_LIST),
    ("secteur", "ZZ", NOT_IN_LIST),
    ("effectif", "mille", NOT_IN_LIST),
    ("territoire", "000000000", NOT_IN_LIST),
    ("lieu", "sur-la-lune", NOT_IN_LIST),
    ("tri", "prix", NOT_IN_LIST),
]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("name", "value", "message"), BAD)
def test_a_bad_filter_is_told_at_its_field_and_left_out(client, market, path, name, value, message):
    market.need(title="un besoin")
    market.offer(title="un besoin")
    response = client.get(path, query_string={name: value})
    page = text(response)
    assert response.status_code == 200
    assert titles(page) == ["un besoin"]
    assert re.search(rf'<p class="field-error" id="{name}-error">{re.escape(message)}', page)
    assert value not in "".join(re.findall(r'href="([^"]*)"', page))


@pytest.mark.parametrize(("name", "value"), [("commune", "Trifouillis"), ("rayon", "-1"), ("q", "x" * 101)])
def test_what_was_typed_is_kept(client, name, value):
    page = text(client.get("/besoins", query_string={name: value}))
    assert re.search(rf'name="{name}"[^>]*value="{value}"', page)


def test_a_good_filter_still_counts_beside_a_bad_one(client, market):
    market.need(title="tableur", skill="tableur")
    market.need(title="boutique")
    assert titles(text(client.get("/besoins?competence=tableur&rayon=abc"))) == ["tableur"]


def test_the_nearest_first_needs_a_place(client):
    page = text(client.get("/besoins?tri=distance"))
    assert "Indiquez une commune" in page


@pytest.mark.parametrize("path", [*LISTS, "/territoires", "/communes.json"])
def test_no_address_breaks_a_list(client, path):
    wild = {name: "%'\";<script>\u2028{{7*7}}" for name in ("commune", "rayon", "competence", "nom", "q")}
    response = client.get(path, query_string=wild)
    assert response.status_code == 200
    assert "<script>\u2028" not in text(response)
    assert "\u202849" not in text(response)
    assert client.get(path + "?commune=%FF&q=%FF&nom=%FF").status_code == 200
    assert client.get(path + "?commune=%00").status_code == 400


def test_what_people_write_is_shown_as_they_wrote_it_and_never_run(client, market):
    market.need(title="<script>alert(1)</script>", organisation=market.organisation(name="<b>Gras</b> & Cie"))
    page = text(client.get("/besoins"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;Gras&lt;/b&gt; &amp; Cie" in page


@pytest.mark.parametrize(
    "path", ["/besoins", "/besoins?commune=35510&rayon=50", "/savoir-faire?competence=tableur"]
)
def test_a_list_page_takes_as_many_queries_for_many_as_for_few(client, market, path):
    read = []
    for _ in range(2):
        for _ in range(4):
            market.need(skill="tableur", extra_skills=["boutique-en-ligne"])
            market.offer(skill="tableur", extra_skills=["boutique-en-ligne"])
        with counted() as queries:
            client.get(path)
        read.append(int(queries))
    assert read[0] == read[1]
    assert read[0] <= 14


# --- Skills ---


def test_every_skill_is_listed_and_has_its_page(client, market):
    page = text(client.get("/competences"))
    slugs = set(re.findall(r'href="/competences/([a-z0-9-]+)"', page))
    assert len(slugs) == 92
    for slug in sorted(slugs)[::9]:
        assert client.get(f"/competences/{slug}").status_code == 200


def test_a_skill_says_how_much_is_online(client, market):
    market.need(skill="tableur")
    market.offer(skill="tableur")
    market.offer(skill="tableur")
    assert "1 besoin · 2 savoir-faire" in text(client.get("/competences"))


def test_a_skill_page_shows_both_sides_its_neighbours_and_the_way_to_publish(client, market):
    skill = market.skill("tableur")
    skill.description = "Faire ses comptes dans un tableau."
    db.session.commit()
    market.need(title="apprendre", skill="tableur")
    market.offer(title="montrer", skill="tableur")
    page = text(client.get("/competences/tableur"))
    assert set(titles(page)) == {"apprendre", "montrer"}
    assert "Faire ses comptes dans un tableau." in page
    assert "Compétences proches" in page
    assert links(page, "Je veux l’apprendre") == ["/publier/besoin?competence=tableur"]
    assert links(page, "Je peux le montrer") == ["/publier/savoir-faire?competence=tableur"]


def test_a_skill_with_more_than_a_few_leads_to_the_whole_list(client, market):
    for _ in range(7):
        market.need(skill="tableur")
    page = text(client.get("/competences/tableur"))
    assert len(titles(page)) == 6
    assert links(page, "Voir les 7 besoins") == ["/besoins?competence=tableur"]


@pytest.mark.parametrize("path", ["/competences/inconnue", "/territoires/000000000", "/territoires/abc"])
def test_what_is_unknown_is_not_found(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert "Page introuvable" in text(response)


def test_the_pages_of_skills_take_a_fixed_number_of_queries(client, market):
    read = []
    for _ in range(2):
        for _ in range(3):
            market.need(skill="tableur")
        with counted() as queries:
            client.get("/competences")
            client.get("/competences/tableur")
        read.append(int(queries))
    assert read[0] == read[1]


# --- Territories ---


def test_open_territories_are_listed_and_any_is_found(client, market):
    market.open_territory(RENNES_METROPOLE)
    assert "/territoires/243500139" in text(client.get("/territoires"))
    assert "/territoires/243500774" not in text(client.get("/territoires"))
    assert "/territoires/243500774" in text(client.get("/territoires?nom=liffré"))


def test_a_name_nobody_knows_is_kept_and_told(client):
    page = text(client.get("/territoires?nom=Trifouillis"))
    assert "Aucun territoire trouvé" in page
    assert 'value="Trifouillis"' in page


def test_a_territory_shows_its_welcome_its_figures_and_its_listings(client, market):
    territory = market.open_territory(RENNES_METROPOLE)
    territory.welcome_text = "Bienvenue !\nIci on s’entraide <3"
    db.session.commit()
    market.need(title="chez nous", organisation=market.organisation(commune=CESSON))
    market.need(title="ailleurs", organisation=market.organisation(commune=LIFFRE))
    market.need(title="caché", organisation=market.organisation(commune=CESSON), state=ListingState.PENDING)
    page = text(client.get("/territoires/243500139"))
    assert titles(page) == ["chez nous"]
    assert "Bienvenue !\nIci on s’entraide &lt;3" in page
    for figure in ("<dt>Besoins en ligne</dt><dd>1</dd>", "<dt>Communes</dt><dd>43</dd>"):
        assert figure in page


def test_a_territory_leads_to_its_own_weights(client):
    [address] = links(
        text(client.get("/territoires/243500139")), "Comment les structures sont rapprochées ici"
    )
    assert "avec les réglages de Rennes Métropole" in text(client.get(address))


def test_a_page_with_nothing_online_says_so(client):
    for path in ("/territoires/243500139", "/competences/tableur"):
        page = text(client.get(path))
        assert "Aucun besoin en ligne pour l’instant." in page
        assert "Aucun savoir-faire en ligne pour l’instant." in page


def test_a_territory_that_is_not_open_says_who_reads_there(client):
    assert "relues par l’équipe nationale" in text(client.get("/territoires/243500139"))


# --- Communes while one types ---


def test_communes_are_proposed_as_the_field_understands_them(client):
    response = client.get("/communes.json?q=cesson-s")
    assert response.json == [{"insee": CESSON, "label": "Cesson-Sévigné (35510)"}]
    assert "public" in response.headers["Cache-Control"]


@pytest.mark.parametrize("typed", ["", "?", "🥖", "x" * 100_000])
def test_nothing_is_proposed_for_nonsense(client, typed):
    response = client.get("/communes.json", query_string={"q": typed})
    assert (response.status_code, response.json) == (200, [])


@pytest.mark.parametrize("path", ["/", *LISTS])
def test_commune_fields_ask_for_proposals(client, path):
    [control] = re.findall(r'<input [^>]*name="commune"[^>]*>', text(client.get(path)))
    assert 'data-suggest="/communes.json"' in control
