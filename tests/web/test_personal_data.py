"""One's own data, from the profile."""

import json

from marketplace.extensions import db
from marketplace.models import User
from tests.support.builders import PASSWORD

PAGE = "/mon-espace/mes-donnees"


def test_the_profile_leads_there(client, login, market):
    login(market.user())
    assert f'href="{PAGE}"' in client.get("/mon-espace/profil").text
    assert client.get(PAGE).status_code == 200


def test_data_are_given_as_a_file_against_the_password(client, login, market):
    person = market.user()
    login(person)
    response = client.post(f"{PAGE}/emporter", data={"mot_de_passe": PASSWORD})
    assert response.headers["Content-Disposition"] == 'attachment; filename="mes-donnees.json"'
    assert response.headers["Cache-Control"] == "no-store"
    assert json.loads(response.text)["account"]["email"] == person.email


def test_without_the_right_password_nothing_happens(client, login, market):
    person = market.user()
    login(person)
    for act in ("emporter", "effacer"):
        for password in ("", "un autre mot de passe"):
            sent = {"mot_de_passe": password, "confirmer": "y"}
            assert client.post(f"{PAGE}/{act}", data=sent).status_code == 422
    assert db.session.get(User, person.id) is not None


def test_deleting_asks_to_confirm_then_ends_the_session(client, login, market):
    person = market.user()
    gone = person.id
    login(person)
    unsure = client.post(f"{PAGE}/effacer", data={"mot_de_passe": PASSWORD})
    assert unsure.status_code == 422
    assert "Cochez cette case" in unsure.text
    done = client.post(f"{PAGE}/effacer", data={"mot_de_passe": PASSWORD, "confirmer": "y"})
    assert done.location == "/"
    assert db.session.get(User, gone) is None
    assert "Votre compte est effacé" in client.get("/").text
    assert client.get("/mon-espace").status_code == 302


def test_the_last_administrator_is_told_why_they_stay(client, login, market):
    admin = market.admin()
    login(admin)
    refused = client.post(f"{PAGE}/effacer", data={"mot_de_passe": PASSWORD, "confirmer": "y"})
    assert refused.status_code == 422
    assert "nommez d’abord quelqu’un d’autre" in refused.text
