"""How values are said in French."""

import datetime as calendar
from datetime import datetime
from enum import Enum

import pytest

from marketplace.models import ListingState, MatchState
from marketplace.web.display import LABELS, date, day, label


def test_two_states_of_one_value_are_said_each_in_its_way():
    assert label(ListingState.EXPIRED) == "arrivée à terme"
    assert label(MatchState.EXPIRED) == "sans réponse"


@pytest.mark.parametrize("closed_list", LABELS)
def test_every_member_of_a_closed_list_is_said(closed_list: type[Enum]):
    assert all(label(member) for member in closed_list)


@pytest.mark.parametrize(
    ("written", "form", "said"),
    [
        ("2026-05-01T10:00+02:00", "d MMMM yyyy", "1er mai 2026"),
        ("2026-05-11T10:00+02:00", "d MMMM yyyy", "11 mai 2026"),
        ("2026-12-01T10:30+01:00", "EEEE d MMMM yyyy 'à' HH'h'mm", "mardi 1er décembre 2026 à 10h30"),
        ("2026-12-21T01:01+01:00", "d MMMM yyyy, HH:mm", "21 décembre 2026, 01:01"),
        ("2026-01-01T10:00+01:00", "yyyy", "2026"),
        ("2026-10-01T01:00+02:00", "yyyy-MM-dd HH:mm:ss", "2026-10-01 01:00:00"),
    ],
)
def test_the_first_of_a_month_is_said_as_people_say_it(app, written, form, said):
    with app.test_request_context():
        assert date(datetime.fromisoformat(written), form) == said


def test_a_day_without_an_hour_is_said_alike(app):
    with app.test_request_context():
        assert day(calendar.date(2026, 5, 1)) == "1er mai 2026"
