"""Labelled providers by program: only labels that hold, and nothing of a person."""

import pytest

from marketplace.models import Provider
from tests.api.test_reading import walk
from tests.support.builders import RENNES
from tests.support.providers import ACTIVATEURS, EXPERTCYBER, Importer, activateur, expert
from tests.support.queries import counted

PROVIDERS = "/api/v1/providers"


@pytest.fixture
def bring(app, tmp_path):
    return Importer(tmp_path)


def names(response):
    assert response.status_code == 200, response.text
    return [row["name"] for row in response.json["data"]]


def test_a_provider_is_told_with_its_labels_and_where_they_come_from(client, bring):
    bring("expertcyber", EXPERTCYBER, [expert(1, name="Rempart Conseil")])
    (told,) = client.get(f"{PROVIDERS}?commune={RENNES}").json["data"]
    assert told["name"] == "Rempart Conseil"
    assert told["commune"]["name"] == "Rennes"
    assert told["distance_km"] == 0
    (label,) = told["labels"]
    assert label["kind"] == "expertcyber"
    assert label["source"] and label["source_date"]
    assert client.get(told["url"].removeprefix("http://localhost"), follow_redirects=True).status_code == 200


def test_nobodys_mail_is_told(client, bring):
    bring("expertcyber", EXPERTCYBER, [expert(1)])
    answer = client.get(PROVIDERS).text
    assert "avis@rempart.example" not in answer
    assert "rue du Puits" not in answer


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Atelier du Web", "Rempart 1", "Rempart 2"]),
        ("label=expertcyber", ["Rempart 1", "Rempart 2"]),
        ("label=activateur&kind=private", ["Atelier du Web"]),
        ("kind=public", []),
        ("skill=boutique-en-ligne", ["Atelier du Web"]),
        (f"commune={RENNES}&radius=10", ["Atelier du Web", "Rempart 1"]),
        (f"commune={RENNES}&radius=100", ["Atelier du Web", "Rempart 1", "Rempart 2"]),
        ("free_first_meeting=true", []),
    ],
)
def test_each_filter_narrows_the_list(client, bring, query, expected):
    bring("activateurs", ACTIVATEURS, [activateur("A1")])
    bring("expertcyber", EXPERTCYBER, [expert(1), expert(2, town="35400;Saint-Malo")])
    assert names(client.get(f"{PROVIDERS}?{query}")) == expected


def test_a_label_past_its_term_is_not_told(client, bring, clock):
    bring("expertcyber", EXPERTCYBER, [expert(1, day="03/02/2026")])
    assert names(client.get(PROVIDERS)) == ["Rempart 1"]
    clock.move(days=5 * 365)
    assert names(client.get(PROVIDERS)) == []


def test_pages_follow_each_other_and_cost_the_same(client, bring, db_session):
    bring("expertcyber", EXPERTCYBER, [expert(number, name="Même nom") for number in range(1, 8)])
    assert sorted(walk(client, f"{PROVIDERS}?limit=3")) == sorted(
        db_session.scalars(Provider.__table__.select().with_only_columns(Provider.id))
    )
    costs = []
    for limit in (1, 7):
        with counted() as count:
            client.get(f"{PROVIDERS}?limit={limit}")
        costs.append(int(count))
    assert costs[0] == costs[1]


@pytest.mark.parametrize(
    ("query", "status"),
    [("label=magic", 422), ("skill=sorcellerie", 404), ("radius=3", 422), ("cursor=forged", 400)],
)
def test_a_wrong_value_is_refused(client, query, status):
    assert client.get(f"{PROVIDERS}?{query}").status_code == status
