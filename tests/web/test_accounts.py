"""Signing up, confirming, logging in and out, forgotten password, profile: what the browser gets."""

from html import unescape
from io import BytesIO
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import OutboxMail, User
from marketplace.services import accounts
from tests.support.builders import PASSWORD

LEA = "lea@boulangerie.example"
OTHER_PASSWORD = "quatre pinces bleues rouillées"
ACCOUNT = {"nom": "Léa Pain", "mail": LEA, "mot_de_passe": PASSWORD}
KNOWN = {"mail": LEA, "mot_de_passe": PASSWORD}


def text(response):
    return unescape(response.get_data(as_text=True))


def how_many(model=User):
    return db.session.scalar(select(func.count()).select_from(model))


def is_logged_in(client):
    return client.get("/mon-espace/profil").status_code == 200


@pytest.fixture
def lea(market):
    return market.user(LEA, name="Léa Pain")


# ---- signing up ----


def test_an_account_opens_by_the_mailed_link_and_leads_to_the_structure(client, outbox):
    sent = client.post("/inscription", data=ACCOUNT)
    assert sent.location == "/inscription/regardez-vos-mails"
    assert LEA in text(client.get(sent.location))
    link = outbox.link(outbox.last(to=LEA))
    assert LEA in text(client.get(link))
    assert client.post(link).location == "/mon-espace/structure"
    assert is_logged_in(client)


def test_the_link_alone_confirms_nothing(client, outbox):
    client.post("/inscription", data=ACCOUNT)
    client.get(outbox.link(outbox.last(to=LEA)))
    assert not accounts.by_email(LEA).is_confirmed
    assert not is_logged_in(client)


def test_one_goes_on_to_the_page_one_came_from(client, outbox):
    sent = client.post("/inscription?suite=/publier/besoin?rayon%3D5", data=ACCOUNT)
    assert "suite=" in sent.location
    assert client.post(outbox.link(outbox.last(to=LEA))).location == "/publier/besoin?rayon=5"


def test_a_known_address_looks_the_same_and_tells_its_owner_only(client, lea, outbox):
    sent = client.post("/inscription", data=ACCOUNT | {"nom": "Un autre", "mot_de_passe": OTHER_PASSWORD})
    assert sent.location == "/inscription/regardez-vos-mails"
    assert [mail.template for mail in outbox.to(LEA)] == ["already_registered"]
    assert (how_many(), db.session.get(User, lea.id).name) == (1, "Léa Pain")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("nom", "", "Remplissez ce champ."),
        ("nom", "x" * 121, "120 caractères au plus"),
        ("nom", "x" * 100_000, "120 caractères au plus"),
        ("nom", "Léa\x00Pain", "caractères invisibles"),
        ("nom", "Léa\nPain", "caractères invisibles"),
        ("nom", "Léa \u202eniaP", "caractères invisibles"),
        ("mail", "", "Remplissez ce champ."),
        ("mail", "lea", "Cette adresse n’est pas complète"),
        ("mail", "lea@", "Cette adresse n’est pas complète"),
        ("mail", "lea@boulangerie", "Cette adresse n’est pas complète"),
        ("mail", "léa@boulangerie.example", "Cette adresse n’est pas complète"),
        ("mail", "lea@boulangerie.example\r\nBcc: x@y.example", "caractères invisibles"),
        ("mail", "x" * 300 + "@boulangerie.example", "254 caractères au plus"),
        ("mot_de_passe", "", "Remplissez ce champ."),
        ("mot_de_passe", "court", "14 caractères"),
        ("mot_de_passe", "x" * 100_000, "200 caractères"),
        ("mot_de_passe", "motdepasse2024", "se devine"),
    ],
)
def test_a_bad_answer_is_told_at_its_field_and_opens_no_account(client, field, value, message):
    answer = client.post("/inscription", data=ACCOUNT | {field: value})
    told = text(answer)
    assert answer.status_code == 422
    assert message in told.split(f'id="{field}-error">')[1].split("</p>")[0]
    assert (how_many(), how_many(OutboxMail)) == (0, 0)
    assert PASSWORD not in told
    if field != "nom":
        assert 'value="Léa Pain"' in told


@pytest.mark.parametrize("field", ACCOUNT)
def test_a_file_is_no_answer(client, field):
    file = (BytesIO(b"\x89PNG"), "photo.png")
    answer = client.post("/inscription", data=ACCOUNT | {field: file}, content_type="multipart/form-data")
    assert (answer.status_code, how_many()) == (422, 0)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "🥖 Léa", "O’Neil & fils"])
def test_a_name_is_text_whatever_it_holds(client, outbox, name):
    client.post("/inscription", data=ACCOUNT | {"nom": name})
    client.post(outbox.link(outbox.last(to=LEA)))
    page = client.get("/mon-espace/profil")
    assert name in text(page)
    assert "<script>alert(1)" not in page.get_data(as_text=True)


def test_somebody_logged_in_has_no_need_to_sign_up(login, lea):
    assert login(lea).get("/inscription").location == "/mon-espace"


def test_a_confirming_link_that_served_or_is_made_up_is_gone(client, outbox):
    client.post("/inscription?suite=/publier/besoin", data=ACCOUNT)
    link = outbox.link(outbox.last(to=LEA))
    client.post(link)
    client.post("/deconnexion")
    for method in (client.get, client.post):
        for dead in (link, "/inscription/confirmer/x.y.z", "/inscription/confirmer/%F0%9F%A5%96"):
            answer = method(dead)
            assert answer.status_code == 410
            assert "demander un nouveau lien" in text(answer)
    assert "/inscription/renvoyer?suite=/publier/besoin" in text(client.get(link)).replace("%2F", "/")
    assert not is_logged_in(client)


def test_the_confirming_mail_is_sent_again(client, market, outbox):
    market.user(LEA, confirmed=False)
    sent = client.post("/inscription/renvoyer?suite=/publier/besoin", data={"mail": LEA})
    assert sent.status_code == 302
    assert client.post(outbox.link(outbox.last(to=LEA))).location == "/publier/besoin"


def test_asking_again_tells_nothing_of_who_has_an_account(client, lea, outbox):
    told = {
        client.post("/inscription/renvoyer", data={"mail": m}).location for m in (LEA, "x@nulle-part.example")
    }
    assert (len(told), outbox.all()) == (1, [])


def test_too_many_accounts_from_one_place_have_to_wait(client):
    answers = [
        client.post("/inscription", data=ACCOUNT | {"mail": f"a{n}@boulangerie.example"}).status_code
        for n in range(21)
    ]
    assert answers == [302] * 20 + [429]


# ---- logging in and out ----


def test_the_right_password_lets_in(client, lea):
    assert (
        client.post("/connexion", data=KNOWN | {"mail": " Lea@Boulangerie.example "}).location
        == "/mon-espace"
    )
    assert is_logged_in(client)


@pytest.mark.parametrize(
    "wrong",
    [{"mot_de_passe": "faux"}, {"mail": "nobody@nulle-part.example"}, {"mot_de_passe": PASSWORD + " "}],
)
def test_a_wrong_pair_is_told_without_saying_which(client, lea, wrong):
    answer = client.post("/connexion", data=KNOWN | wrong)
    assert answer.status_code == 422
    assert "L’adresse mail et le mot de passe ne vont pas ensemble." in text(answer)
    assert not is_logged_in(client)


def test_an_unconfirmed_person_is_led_to_a_new_link(client, market):
    market.user(LEA, confirmed=False)
    answer = client.post("/connexion?suite=/publier/besoin", data=KNOWN)
    assert answer.status_code == 422
    assert "pas encore confirmée" in text(answer)
    assert "/inscription/renvoyer?suite=" in text(answer)
    assert not is_logged_in(client)


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/publier/besoin?rayon=5", "/publier/besoin?rayon=5"),
        ("https://piege.example/", "/mon-espace"),
        ("//piege.example/", "/mon-espace"),
        ("/\\piege.example", "/mon-espace"),
        ("/\tpiege", "/mon-espace"),
        ("javascript:alert(1)", "/mon-espace"),
        ("/n-existe-pas", "/mon-espace"),
        ("/deconnexion", "/mon-espace"),
    ],
)
def test_one_is_led_on_inside_the_site_only(client, lea, wanted, reached):
    assert client.post(f"/connexion?suite={quote(wanted, safe='')}", data=KNOWN).location == reached


def test_a_page_for_people_logged_in_leads_back_to_itself(client, lea):
    asked = client.get("/mon-espace/profil")
    assert asked.location.startswith("/connexion?next=")
    assert client.post(asked.location, data=KNOWN).location == "/mon-espace/profil"


def test_eleven_wrong_passwords_have_to_wait(client, lea):
    answers = [client.post("/connexion", data=KNOWN | {"mot_de_passe": "faux"}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 900
    assert "Attendez quelques minutes" in text(answers[-1])


@pytest.mark.parametrize(("asked", "kept"), [({}, False), ({"rester_connecte": "y"}, True)])
def test_one_stays_logged_in_after_closing_the_browser_only_when_asked(client, lea, asked, kept):
    client.post("/connexion", data=KNOWN | asked)
    client.delete_cookie("session")
    assert is_logged_in(client) is kept


def test_logging_out_takes_everything_with_it(client, lea):
    client.post("/connexion", data=KNOWN | {"rester_connecte": "y"})
    client.post("/publier/besoin", data={"description": "Un texte que personne d’autre ne doit lire ici."})
    assert client.post("/deconnexion").location == "/"
    assert not is_logged_in(client)
    assert "personne d’autre" not in text(client.get("/publier/besoin"))


def test_logging_out_takes_a_button(client, login, lea):
    assert login(lea).get("/deconnexion").status_code == 405


def test_a_form_from_another_site_is_refused(app, client, lea):
    app.config["WTF_CSRF_ENABLED"] = True
    answer = client.post("/connexion", data=KNOWN)
    assert (answer.status_code, "La page a expiré" in text(answer)) == (400, True)


def test_the_anti_forgery_token_changes_with_who_is_logged_in(app, client, lea):
    app.config["WTF_CSRF_ENABLED"] = True

    def token():
        return (
            text(client.get("/connexion")).split('name="csrf_token" type="hidden" value="')[1].split('"')[0]
        )

    before = token()
    assert client.post("/connexion", data=KNOWN | {"csrf_token": before}).status_code == 302
    assert client.post("/deconnexion", data={"csrf_token": before}).status_code == 400


# ---- forgotten password ----


def reset_link(client, outbox):
    client.post("/mot-de-passe-oublie", data={"mail": LEA})
    return outbox.link(outbox.last(to=LEA))


def test_a_forgotten_password_is_replaced(client, lea, outbox):
    link = reset_link(client, outbox)
    assert LEA in text(client.get(link))
    assert client.post(link, data={"mot_de_passe": OTHER_PASSWORD}).location == "/connexion"
    assert client.post("/connexion", data=KNOWN).status_code == 422
    assert client.post("/connexion", data=KNOWN | {"mot_de_passe": OTHER_PASSWORD}).status_code == 302


def test_a_new_password_logs_every_device_out(app, client, lea, outbox):
    other = app.test_client()
    other.post("/connexion", data=KNOWN)
    client.post(reset_link(client, outbox), data={"mot_de_passe": OTHER_PASSWORD})
    assert not is_logged_in(other)


def test_a_weak_new_password_is_told_and_the_link_still_serves(client, lea, outbox):
    link = reset_link(client, outbox)
    answer = client.post(link, data={"mot_de_passe": "court"})
    assert (answer.status_code, "14 caractères" in text(answer)) == (422, True)
    assert client.post(link, data={"mot_de_passe": OTHER_PASSWORD}).status_code == 302


def test_a_link_that_served_or_is_old_is_gone(client, lea, outbox, clock):
    used = reset_link(client, outbox)
    client.post(used, data={"mot_de_passe": OTHER_PASSWORD})
    old = reset_link(client, outbox)
    clock.move(hours=3)
    for link in (used, old, "/mot-de-passe/x.y.z"):
        for answer in (client.get(link), client.post(link, data={"mot_de_passe": PASSWORD})):
            assert (answer.status_code, "Ce lien n’est plus valable" in text(answer)) == (410, True)


def test_nothing_tells_whether_an_address_has_an_account(client, lea, outbox):
    answers = [client.post("/mot-de-passe-oublie", data={"mail": m}) for m in (LEA, "x@nulle-part.example")]
    assert answers[0].location == answers[1].location
    assert [mail.recipient for mail in outbox.all()] == [LEA]


# ---- profile ----


def test_a_person_changes_what_counterparts_see(login, lea):
    browser = login(lea)
    assert (
        browser.post(
            "/mon-espace/profil", data={"nom": "Léa Levain", "telephone": "06 12 34 56 78"}
        ).status_code
        == 302
    )
    person = db.session.get(User, lea.id)
    assert (person.name, person.phone) == ("Léa Levain", "06 12 34 56 78")
    assert "Léa Levain" in text(browser.get("/mon-espace/profil"))


@pytest.mark.parametrize("phone", ["", "+33 6 12 34 56 78", "02.99.12.34.56", "0612345678"])
def test_a_phone_number_may_be_left_out_or_written_in_many_ways(login, lea, phone):
    login(lea).post("/mon-espace/profil", data={"nom": "Léa", "telephone": phone})
    assert db.session.get(User, lea.id).phone == phone


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("telephone", "12", "Ce numéro n’est pas complet"),
        ("telephone", "06 12 34 56 7x", "Ce numéro n’est pas complet"),
        ("telephone", "+" + "1" * 19, "Ce numéro n’est pas complet"),
        ("telephone", "0" * 100_000, "20 caractères au plus"),
        ("telephone", "٠٦١٢٣٤٥٦٧٨", "Ce numéro n’est pas complet"),
        ("nom", "", "Remplissez ce champ."),
        ("nom", "x" * 121, "120 caractères au plus"),
    ],
)
def test_a_bad_profile_is_told_and_changes_nothing(login, lea, field, value, message):
    answer = login(lea).post("/mon-espace/profil", data={"nom": "Léa", "telephone": ""} | {field: value})
    assert answer.status_code == 422
    assert message in text(answer).split(f'id="{field}-error">')[1]
    assert db.session.get(User, lea.id).name == "Léa Pain"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_visitor_has_no_profile(client, method):
    assert getattr(client, method)("/mon-espace/profil").location.startswith("/connexion?next=")


@pytest.mark.parametrize(
    "page",
    [
        "/inscription",
        "/connexion",
        "/inscription/renvoyer",
        "/mot-de-passe-oublie",
        "/inscription/regardez-vos-mails",
        "/mot-de-passe-oublie/regardez-vos-mails",
    ],
)
def test_every_page_opens_for_a_visitor(client, page):
    assert client.get(page).status_code == 200
