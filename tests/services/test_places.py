import pytest

from marketplace.extensions import db
from marketplace.models import Commune
from marketplace.services import places

pytestmark = pytest.mark.usefixtures("app")


def found(text: str) -> list[str]:
    return [places.said(commune) for commune in places.resolve(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Cesson-Sévigné",
        "cesson sevigne",
        "  CESSON   SÉVIGNÉ ",
        "Cesson-Sévigné (35510)",
        "Cesson-Sévigné 35510",
        "35510 Cesson-Sévigné",
        "Cesson-Sévigné 35",
        "35510",
        "35051",
    ],
)
def test_one_commune_is_found_however_it_is_typed(text):
    assert found(text) == ["Cesson-Sévigné (35510)"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("L’Haÿ-les-Roses", "L'Haÿ-les-Roses"), ("St Malo", "Saint-Malo"), ("Ste-Luce", "Sainte-Luce")],
)
def test_typographic_apostrophes_and_short_saints_are_understood(text, name):
    assert name in [commune.name for commune in places.resolve(text)]


def test_a_name_that_several_communes_have_gives_them_all():
    assert set(found("Saint-Denis")) >= {"Saint-Denis (93200)", "Saint-Denis (97400)", "Saint-Denis (11310)"}


def test_a_small_commune_is_not_hidden_by_the_many_whose_names_begin_alike():
    assert {commune.department_code for commune in places.resolve("Saint-Martin")} >= {"32", "54", "65", "67"}


def test_a_department_chooses_between_namesakes():
    assert found("Saint-Denis 93") == ["Saint-Denis (93200)"]


def test_a_postcode_gives_each_of_its_communes():
    assert {"Vitré (35500)", "Balazé (35500)"} <= set(found("35500"))


@pytest.mark.parametrize(
    "text", ["", " ", "Trifouillis-les-Oies", "99999", "٣٥٠٠٠", "%", "_", "'; --", "\x00", "🥖", "x" * 5000]
)
def test_nonsense_finds_nothing(text):
    assert places.resolve(text) == []


def test_suggestions_begin_with_the_largest_commune_and_stay_few():
    suggestions = places.suggest("ren", limit=5)
    assert suggestions[0].name == "Rennes"
    assert len(suggestions) == 5


def test_what_is_said_of_a_commune_is_understood_again(db_session):
    sample = db_session.query(Commune).order_by(Commune.insee).limit(4000).all()[::200]
    lost = [c.insee for c in sample if c not in places.resolve(places.said(places.get(c.insee)))]
    assert lost == []


def test_corsican_codes_are_codes():
    assert [commune.name for commune in places.resolve("2a004")] == ["Ajaccio"]
    assert db.session.get(Commune, "2A004").department_code == "2A"
