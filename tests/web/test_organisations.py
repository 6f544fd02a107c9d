"""Creating, joining and leaving a structure, and its page: what the browser gets."""

from html import unescape
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from marketplace.adapters import register
from marketplace.extensions import db
from marketplace.models import (
    ListingState,
    MatchState,
    Membership,
    MembershipState,
    Organisation,
    OrganisationKind,
    SizeClass,
)
from tests.support.builders import LIFFRE_CORMIER, RENNES, siret
from tests.support.queries import counted

JOIN, CREATE = "/mon-espace/structure", "/mon-espace/structure/nouvelle"
SIRET = siret(900)
SHEET = {
    "siret": SIRET,
    "nom": "Le Bon Pain",
    "activite": "10.71C",
    "commune": "Rennes",
    "adresse": "1 place de la Mairie",
    "type": "firm",
    "effectif": "1-9",
}


def text(response):
    return unescape(response.get_data(as_text=True))


def how_many():
    return db.session.scalar(select(func.count()).select_from(Organisation))


def state_of(person, organisation):
    query = select(Membership.state).where(
        Membership.user_id == person.id, Membership.organisation_id == organisation.id
    )
    db.session.rollback()
    return db.session.scalar(query)


@pytest.fixture
def person(market):
    return market.user("lea@boulangerie.example", name="Léa Pain")


@pytest.fixture
def browser(login, person):
    return login(person)


# ---- creating ----


def test_a_structure_that_is_not_here_is_created_from_its_siret(browser):
    onward = browser.post(JOIN, data={"siret": SIRET}).location
    assert urlsplit(onward).path == CREATE
    assert f'value="{SIRET}"' in text(browser.get(onward))
    assert browser.post(onward, data=SHEET).location == "/mon-espace"
    created = db.session.scalars(select(Organisation)).one()
    assert (created.siret, created.name, created.sector_code, created.commune_insee) == (
        SIRET, "Le Bon Pain", "10.71C", RENNES,
    )  # fmt: skip
    assert (created.kind, created.size_class) == (OrganisationKind.FIRM, SizeClass.MICRO)


def test_one_goes_on_to_the_page_one_came_from(browser):
    onward = browser.post(f"{JOIN}?suite=/publier/besoin", data={"siret": SIRET}).location
    assert browser.post(onward, data=SHEET).location == "/publier/besoin"


def test_what_a_link_says_of_the_structure_fills_its_form(browser):
    link = {"commune": "Liffré", "activite": "47.76Z", "effectif": "10-49", "nom": "Jardin Vert"}
    onward = browser.post(JOIN, query_string=link, data={"siret": SIRET}).location
    form = text(browser.get(onward))
    for value in ("Liffré", "47.76Z", "Jardin Vert"):
        assert f'value="{value}"' in form
    assert 'selected value="10-49"' in form


@pytest.mark.parametrize("size", ["beaucoup", "", "x" * 5000])
def test_a_size_that_does_not_exist_is_left_out(browser, size):
    assert 'selected value="1-9"' in text(browser.get(CREATE, query_string={"effectif": size}))


BAD = [
    ("siret", "", "Remplissez ce champ."),
    ("siret", "12345678901234", "Ce SIRET n’existe pas : vérifiez les 14 chiffres."),
    ("siret", "abc", "Ce SIRET n’existe pas"),
    ("siret", "٣" * 14, "Ce SIRET n’existe pas"),
    ("siret", "9" * 100_000, "40 caractères au plus"),
    ("nom", "", "Remplissez ce champ."),
    ("nom", "x" * 121, "120 caractères au plus"),
    ("nom", "Pain\x00", "caractères invisibles"),
    ("nom", "Le \u202eniap", "caractères invisibles"),
    ("activite", "", "Remplissez ce champ."),
    ("activite", "99.99Z", "Nous ne trouvons pas cette activité"),
    ("activite", "xyzzy", "Nous ne trouvons pas cette activité"),
    ("activite", "x" * 100_000, "200 caractères au plus"),
    ("commune", "", "Remplissez ce champ."),
    ("commune", "Nulle-Part-les-Oies", "Nous ne connaissons pas cette commune"),
    ("commune", "00000", "Nous ne connaissons pas cette commune"),
    ("commune", "🥖", "Nous ne connaissons pas cette commune"),
    ("commune", "%_", "Nous ne connaissons pas cette commune"),
    ("commune", "x" * 100_000, "200 caractères au plus"),
    ("adresse", "x" * 201, "200 caractères au plus"),
    ("type", "pirate", "Choisissez une réponse de la liste."),
    ("effectif", "beaucoup", "Choisissez une réponse de la liste."),
]


@pytest.mark.parametrize(("field", "value", "message"), BAD)
def test_a_bad_answer_is_told_at_its_field_and_writes_nothing(browser, field, value, message):
    answer = browser.post(CREATE, data=SHEET | {field: value})
    told = text(answer)
    assert answer.status_code == 422
    assert message in told.split(f'id="{field}-error">')[1].split("</p>")[0]
    assert how_many() == 0
    if field != "nom":
        assert 'value="Le Bon Pain"' in told


@pytest.mark.parametrize("field", ["siret", "nom", "activite", "commune"])
def test_a_file_is_no_answer(browser, field):
    file = (BytesIO(b"\x89PNG"), "photo.png")
    answer = browser.post(CREATE, data=SHEET | {field: file}, content_type="multipart/form-data")
    assert (answer.status_code, how_many()) == (422, 0)


def test_a_name_shared_by_several_communes_is_chosen_without_javascript(browser):
    answer = browser.post(CREATE, data=SHEET | {"commune": "Saint-Denis"})
    assert answer.status_code == 422
    assert "Plusieurs communes répondent" in text(answer)
    assert 'name="commune_insee" value="93066"' in text(answer)
    browser.post(CREATE, data=SHEET | {"commune": "Saint-Denis", "commune_insee": "93066"})
    assert db.session.scalars(select(Organisation.commune_insee)).one() == "93066"


def test_a_choice_that_the_text_does_not_mean_counts_for_nothing(browser):
    browser.post(CREATE, data=SHEET | {"commune": "Rennes", "commune_insee": "93066"})
    assert db.session.scalars(select(Organisation.commune_insee)).one() == RENNES


@pytest.mark.parametrize("typed", ["Rennes", "rennes", "35238", "Rennes (35000)"])
def test_a_commune_is_found_as_people_write_it(browser, typed):
    browser.post(CREATE, data=SHEET | {"commune": typed})
    assert db.session.scalars(select(Organisation.commune_insee)).one() == RENNES


def test_a_structure_already_here_is_not_created_twice(browser, market):
    here = market.organisation()
    answer = browser.post(CREATE, data=SHEET | {"siret": here.siret})
    assert (answer.status_code, how_many()) == (422, 1)
    assert "déjà inscrite" in text(answer)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "Boulangerie « L’Épi » & fils 🥖"])
def test_a_name_is_text_whatever_it_holds(browser, name):
    browser.post(CREATE, data=SHEET | {"nom": name})
    page = browser.get(f"/structures/{db.session.scalars(select(Organisation.id)).one()}")
    assert name in text(page)
    assert "<script>alert(1)" not in page.get_data(as_text=True)


def test_the_register_fills_the_form(app, browser, monkeypatch):
    app.config["REGISTER_URL"] = "https://register.example"
    found = register.Establishment(
        siret=SIRET,
        name="LE BON PAIN",
        naf="10.71C",
        commune_insee=RENNES,
        address="1 PLACE DE LA MAIRIE",
        kind="association",
        size_class="10-49",
    )
    monkeypatch.setattr(register, "find", lambda *_: found)
    form = text(browser.get(CREATE, query_string={"siret": SIRET}))
    for value in ("LE BON PAIN", "10.71C – ", "Rennes (35000)", "1 PLACE DE LA MAIRIE"):
        assert f'value="{value}' in form
    assert 'selected value="10-49"' in form
    assert "checked" in form.split('value="association"')[0].rsplit("<input", 1)[1]


def test_a_silent_register_leaves_the_form_to_the_person(app, browser, monkeypatch):
    def silent(*_):
        raise register.RegisterUnavailable

    app.config["REGISTER_URL"] = "https://register.example"
    monkeypatch.setattr(register, "find", silent)
    response = browser.get(CREATE, query_string={"siret": SIRET})
    assert response.status_code == 200
    assert "Le registre des entreprises ne répond pas" in text(response)


# ---- joining ----


def test_a_structure_already_here_is_asked_for(browser, market, person, outbox):
    here = market.organisation(name="Jardin Vert")
    told = text(browser.post(JOIN, data={"siret": here.siret}))
    assert "Jardin Vert" in told
    assert f"{JOIN}/rejoindre/{here.siret}" in told
    browser.post(f"{JOIN}/rejoindre/{here.siret}")
    assert state_of(person, here) is MembershipState.REQUESTED
    assert [mail.recipient for mail in outbox.all()] == [market.speaker(here).email]
    assert "demande envoyée, en attente de réponse" in text(browser.get(JOIN))


def test_a_structure_one_is_in_is_not_offered_again(browser, market, person):
    mine = market.organisation(manager=person)
    told = text(browser.post(JOIN, data={"siret": mine.siret}))
    assert "Vous faites déjà partie" in told
    assert "/rejoindre/" not in told


def test_asking_twice_is_told(browser, market):
    here = market.organisation()
    browser.post(f"{JOIN}/rejoindre/{here.siret}")
    answer = browser.post(f"{JOIN}/rejoindre/{here.siret}")
    assert "Vous avez déjà demandé" in text(browser.get(answer.location))


@pytest.mark.parametrize("number", [SIRET, "12345678901234", "x", "🥖"])
def test_a_structure_that_is_not_here_cannot_be_asked_for(browser, number):
    answer = browser.post(f"{JOIN}/rejoindre/{number}")
    assert answer.status_code == 302
    assert "notice-error" in text(browser.get(answer.location))


def test_a_suspended_structure_cannot_be_asked_for(browser, market, person, clock):
    gone = market.organisation(suspended_at=clock.now)
    assert "est suspendue" in text(browser.post(JOIN, data={"siret": gone.siret}))
    browser.post(f"{JOIN}/rejoindre/{gone.siret}")
    assert state_of(person, gone) is None


def test_one_comes_back_to_what_one_was_doing_after_asking(browser, market):
    here = market.organisation()
    answer = browser.post(f"{JOIN}/rejoindre/{here.siret}?suite=/publier/besoin")
    assert parse_qs(urlsplit(answer.location).query) == {"suite": ["/publier/besoin"]}


@pytest.fixture
def request_id(market):
    """A request to join that waits for a manager."""
    firm = market.organisation()
    asker = market.employee(firm, user=market.user(name="Ali Demande"), state=MembershipState.REQUESTED)
    query = select(Membership.id).where(Membership.user_id == asker.id)
    return firm, asker, db.session.scalar(query)


@pytest.mark.parametrize(
    ("decision", "state"), [("accepter", MembershipState.ACTIVE), ("refuser", MembershipState.REFUSED)]
)
def test_a_manager_answers_and_the_asker_is_told(market, login, request_id, outbox, decision, state):
    firm, asker, key = request_id
    manager = login(market.speaker(firm))
    assert "Ali Demande" in text(manager.get(JOIN))
    assert manager.post(f"{JOIN}/demandes/{key}", data={"decision": decision}).status_code == 302
    assert state_of(asker, firm) is state
    assert [mail.recipient for mail in outbox.all()] == [asker.email]


@pytest.mark.parametrize("decision", ["", "peut-être", None])
def test_an_answer_is_yes_or_no(market, login, request_id, decision):
    firm, asker, key = request_id
    data = {} if decision is None else {"decision": decision}
    assert login(market.speaker(firm)).post(f"{JOIN}/demandes/{key}", data=data).status_code == 400
    assert state_of(asker, firm) is MembershipState.REQUESTED


def test_a_request_answered_meanwhile_is_told(market, login, request_id):
    firm, asker, key = request_id
    manager = login(market.speaker(firm))
    manager.post(f"{JOIN}/demandes/{key}", data={"decision": "accepter"})
    answer = manager.post(f"{JOIN}/demandes/{key}", data={"decision": "refuser"})
    assert "Quelqu’un d’autre a déjà répondu" in text(manager.get(answer.location))
    assert state_of(asker, firm) is MembershipState.ACTIVE


@pytest.mark.parametrize("who", ["visitor", "asker", "employee", "other firm", "moderator elsewhere"])
def test_nobody_else_answers_a_request(market, client, login, request_id, who):
    firm, asker, key = request_id
    people = {
        "asker": lambda: asker,
        "employee": lambda: market.employee(firm),
        "other firm": lambda: market.speaker(market.organisation()),
        "moderator elsewhere": lambda: market.moderator(LIFFRE_CORMIER),
    }
    if who in people:
        login(people[who]())
    answer = client.post(f"{JOIN}/demandes/{key}", data={"decision": "accepter"})
    assert answer.status_code == (302 if who == "visitor" else 404)
    assert state_of(asker, firm) is MembershipState.REQUESTED


# ---- leaving ----


def test_one_leaves_a_structure_by_a_button(market, login):
    firm = market.organisation()
    leaver = market.employee(firm)
    browser = login(leaver)
    assert browser.get(f"{JOIN}/{firm.id}/quitter").status_code == 405
    browser.post(f"{JOIN}/{firm.id}/quitter")
    assert state_of(leaver, firm) is MembershipState.ENDED


def test_the_last_person_is_told_why_they_cannot_leave(market, login):
    listing = market.need()
    person = market.speaker(listing)
    answer = login(person).post(f"{JOIN}/{listing.organisation_id}/quitter")
    assert "retirez d’abord ses annonces" in text(login(person).get(answer.location))


def test_one_does_not_leave_what_one_is_not_in(browser, market):
    assert browser.post(f"{JOIN}/{market.organisation().id}/quitter").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", JOIN), ("post", JOIN), ("get", CREATE), ("post", CREATE),
        ("post", f"{JOIN}/rejoindre/{SIRET}"), ("post", f"{JOIN}/demandes/1"), ("post", f"{JOIN}/1/quitter"),
    ],
)  # fmt: skip
def test_a_visitor_logs_in_first(client, method, path):
    answer = getattr(client, method)(path)
    assert (answer.status_code, urlsplit(answer.location).path) == (302, "/connexion")


# ---- the public page ----


def test_a_structure_shows_what_it_is_and_has_online_and_names_nobody(client, market):
    manager = market.user("marie@fournil.example", name="Marie Levain", phone="06 11 22 33 44")
    firm = market.organisation(name="Le Bon Pain", sector="10.71C", manager=manager, address="12 rue du Four")
    market.need(organisation=firm, title="Vendre en ligne")
    market.offer(organisation=firm, title="Tenir un fichier clients", state=ListingState.PENDING)
    told = text(client.get(f"/structures/{firm.id}"))
    for fact in ("Le Bon Pain", "Rennes", "Boulangerie", "Vendre en ligne"):
        assert fact in told
    for hidden in ("Levain", "marie@", "06 11 22", "12 rue du Four", "Tenir un fichier clients"):
        assert hidden not in told


def test_a_structure_shows_how_often_it_helped_and_was_helped(client, market):
    firm = market.organisation()
    for _ in range(2):
        market.match(offer=market.offer(organisation=firm), state=MatchState.COMPLETED)
    told = text(client.get(f"/structures/{firm.id}")).replace("\n", "")
    assert "<dt>Échanges où elle a aidé</dt><dd>2</dd>" in told
    assert "<dt>Échanges où elle a été aidée</dt><dd>0</dd>" in told


@pytest.mark.parametrize(
    "where", ["/structures/0", "/structures/999999", f"/structures/{2**31}", "/structures/x"]
)
def test_a_structure_that_does_not_exist_is_not_found(client, where):
    assert client.get(where).status_code == 404


def test_a_suspended_structure_is_not_found(client, market, clock):
    assert client.get(f"/structures/{market.organisation(suspended_at=clock.now).id}").status_code == 404


def test_the_page_takes_as_many_queries_for_one_listing_as_for_ten(client, market):
    few, many = market.organisation(), market.organisation()
    market.need(organisation=few)
    for _ in range(10):
        market.need(organisation=many, extra_skills=("emailing",))
    taken = []
    for path in [f"/structures/{firm.id}" for firm in (few, many)]:
        with counted() as queries:
            client.get(path)
        taken.append(int(queries))
    assert taken[0] == taken[1]
    assert taken[0] <= 6


def test_the_requests_take_as_many_queries_for_one_as_for_five(market, login):
    firm = market.organisation()
    manager = login(market.speaker(firm))
    taken = []
    for _ in range(2):
        with counted() as queries:
            manager.get(JOIN)
        taken.append(int(queries))
        for _ in range(5):
            market.employee(firm, state=MembershipState.REQUESTED)
    assert taken[0] == taken[1]
