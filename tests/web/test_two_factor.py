"""The second step in a browser: setting it up, logging in by it, and what a sleeping role sees."""

import re
from html import unescape

import pyotp
import pytest

from marketplace.extensions import db
from marketplace.models import User
from marketplace.services import two_factor
from tests.support.builders import PASSWORD

PAGE = "/mon-compte/validation-en-deux-etapes"
STEP = "/connexion/verification"


def text(response):
    return unescape(response.get_data(as_text=True))


def set_up(browser, clock):
    """Set it up as a person does; return the secret and the page with the codes."""
    page = text(browser.get(PAGE))
    secret = re.search(r"secret-key\">([A-Z2-7 ]+)<", page)[1].replace(" ", "")
    sealed = re.search(r'name="cle"[^>]* value="([^"]+)"', page)[1]
    answer = browser.post(PAGE, data={"cle": sealed, "code": pyotp.TOTP(secret).at(clock.now)})
    clock.move(seconds=60)
    return secret, answer


def first_step(client, user, **more):
    return client.post("/connexion", data={"mail": user.email, "mot_de_passe": PASSWORD, **more})


@pytest.fixture
def person(market):
    return market.user(name="Ève Roux")


def test_setting_it_up_shows_ten_codes_once_and_keeps_the_person_logged_in(login, person, clock):
    browser = login(person)
    _, answer = set_up(browser, clock)
    assert len(set(re.findall(r"<code>([a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4})</code>", text(answer)))) == 10
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Il vous reste 10 codes de secours" in text(browser.get(PAGE))


def test_the_picture_is_drawn_here_and_says_what_the_key_says(login, person):
    page = text(login(person).get(PAGE))
    assert 'src="data:image/svg+xml' in page
    assert "style=" not in page
    assert f"otpauth://totp/1%20besoin%20-%201%20savoir-faire:{person.email.replace('@', '%40')}" in page


def test_other_sessions_end_when_it_is_set_up(app, login, person, clock):
    elsewhere = app.test_client()
    first_step(elsewhere, person)
    assert elsewhere.get("/mon-espace/profil").status_code == 200
    set_up(login(person), clock)
    assert elsewhere.get("/mon-espace/profil").status_code == 302


def test_a_wrong_first_code_keeps_the_same_key(login, person):
    browser = login(person)
    page = text(browser.get(PAGE))
    sealed = re.search(r'name="cle"[^>]* value="([^"]+)"', page)[1]
    answer = browser.post(PAGE, data={"cle": sealed, "code": "000000"})
    assert answer.status_code == 422
    assert two_factor.WRONG_CODE in text(answer)
    key = re.search(r"secret-key\">([A-Z2-7 ]+)<", page)[1]
    assert key in text(answer)


def test_a_page_that_is_too_old_comes_back_with_a_new_key(login, person):
    answer = login(person).post(PAGE, data={"cle": "nonsense", "code": "000000"})
    assert answer.status_code == 422
    assert "trop ancienne" in text(answer)
    assert re.search(r'name="cle"[^>]* value="gAAAA', text(answer))


def test_logging_in_asks_for_the_code_then_goes_on(app, login, person, clock):
    secret, _ = set_up(login(person), clock)
    client = app.test_client()
    asked = client.post(
        "/connexion?suite=/publier/besoin", data={"mail": person.email, "mot_de_passe": PASSWORD}
    )
    assert asked.location == STEP
    assert client.get("/mon-espace/profil").status_code == 302
    done = client.post(STEP, data={"code": pyotp.TOTP(secret).at(clock.now)})
    assert done.location == "/publier/besoin"
    assert client.get("/mon-espace/profil").status_code == 200


def test_a_wrong_code_opens_nothing(app, login, person, clock):
    set_up(login(person), clock)
    client = app.test_client()
    first_step(client, person)
    answer = client.post(STEP, data={"code": "000000"})
    assert answer.status_code == 422
    assert two_factor.WRONG_CODE in text(answer)
    assert client.get("/mon-espace/profil").status_code == 302


def test_a_recovery_code_opens_the_session(app, login, person, clock):
    _, answer = set_up(login(person), clock)
    code = re.search(r"<code>([a-z2-9-]{14})</code>", text(answer))[1]
    client = app.test_client()
    first_step(client, person)
    assert client.post(STEP, data={"code": code}).location == "/mon-espace"


def test_staying_logged_in_is_granted_after_the_second_step_only(app, login, person, clock):
    secret, _ = set_up(login(person), clock)
    client = app.test_client()
    first_step(client, person, rester_connecte="y")
    assert client.get_cookie("remember") is None
    client.post(STEP, data={"code": pyotp.TOTP(secret).at(clock.now)})
    assert client.get_cookie("remember") is not None


@pytest.mark.parametrize("late", [False, True])
def test_the_second_step_alone_leads_to_the_first(app, login, person, clock, late):
    secret, _ = set_up(login(person), clock)
    client = app.test_client()
    if late:
        first_step(client, person)
        clock.move(minutes=11)
    answer = client.post(STEP, data={"code": pyotp.TOTP(secret).at(clock.now)})
    assert answer.location == "/connexion"


def test_too_many_codes_are_refused(app, login, person, clock):
    set_up(login(person), clock)
    client = app.test_client()
    first_step(client, person)
    told = [client.post(STEP, data={"code": "000000"}).status_code for _ in range(two_factor.TRIES + 1)]
    assert (told[0], told[-1]) == (422, 429)


def test_a_new_password_does_not_get_round_the_second_step(app, login, person, clock, outbox):
    set_up(login(person), clock)
    client = app.test_client()
    client.post("/mot-de-passe-oublie", data={"mail": person.email})
    fresh = "quatre pinces bleues rouillées"
    client.post(outbox.link(outbox.last(to=person.email)), data={"mot_de_passe": fresh})
    answer = client.post("/connexion", data={"mail": person.email, "mot_de_passe": fresh})
    assert answer.location == STEP


def test_one_switches_it_off_with_the_password(login, person, clock):
    browser = login(person)
    set_up(browser, clock)
    wrong = browser.post(f"{PAGE}/desactiver", data={"mot_de_passe": "autre chose"})
    assert wrong.status_code == 422
    assert two_factor.WRONG_PASSWORD in text(wrong)
    browser.post(f"{PAGE}/desactiver", data={"mot_de_passe": PASSWORD})
    assert db.session.get(User, person.id).second_factor_at is None
    assert browser.get("/mon-espace/profil").status_code == 200


def test_new_recovery_codes_are_shown_once(login, person, clock):
    browser = login(person)
    _, before = set_up(browser, clock)
    after = browser.post(f"{PAGE}/codes", data={"mot_de_passe": PASSWORD})
    codes = set(re.findall(r"<code>([a-z2-9-]{14})</code>", text(after)))
    assert len(codes) == 10
    assert not codes & set(re.findall(r"<code>([a-z2-9-]{14})</code>", text(before)))


@pytest.mark.parametrize("path", ["/moderation", "/moderation/journal"])
def test_a_moderator_without_it_is_led_to_set_it_up(login, market, clock, path):
    market.open_territory()
    browser = login(market.moderator(second_factor=False))
    assert browser.get(path).location == PAGE
    assert "Votre rôle ouvre l’accès" in text(browser.get(PAGE))
    set_up(browser, clock)
    assert browser.get(path).status_code == 200


def test_a_moderator_without_it_uses_the_rest_of_the_site(login, market):
    browser = login(market.moderator(second_factor=False))
    assert browser.get("/mon-espace/profil").status_code == 200
    assert browser.get("/annonces/999999").status_code == 404


def test_whoever_has_no_role_is_refused_and_not_led_there(login, person):
    assert login(person).get("/moderation").status_code == 403


def test_a_moderator_cannot_switch_it_off(login, market):
    browser = login(market.moderator())
    assert "Désactiver" not in text(browser.get(PAGE))
    assert browser.post(f"{PAGE}/desactiver", data={"mot_de_passe": PASSWORD}).status_code == 403
