"""How values are said in French."""

from enum import Enum

import pytest

from marketplace.models import ListingState, MatchState
from marketplace.web.display import LABELS, label


def test_two_states_of_one_value_are_said_each_in_its_way():
    assert label(ListingState.EXPIRED) == "arrivée à terme"
    assert label(MatchState.EXPIRED) == "sans réponse"


@pytest.mark.parametrize("closed_list", LABELS)
def test_every_member_of_a_closed_list_is_said(closed_list: type[Enum]):
    assert all(label(member) for member in closed_list)
