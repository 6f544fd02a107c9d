"""Needs, offers and edges as arrays: what is refused, and how rows are taken."""

from dataclasses import fields

import numpy as np
import pytest

from marketplace.matching import Edges, Needs
from tests.matching.small import needs, offers


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", 7),
        ("skills", [[-1, 0, -1]]),
        ("level", 0),
        ("level", 5),
        ("radius_km", -1.0),
        ("radius_km", np.nan),
        ("places", 0),
        ("places", 8),
        ("availability", -1),
        ("availability", 1 << 14),
        ("lat", np.nan),
        ("lat", 90.1),
        ("lon", -180.1),
        ("competitor_radius_km", -1.0),
    ],
)
@pytest.mark.parametrize("listings", [needs, offers])
def test_a_listing_out_of_bounds_is_refused_by_its_column(listings, column, value):
    with pytest.raises(ValueError, match=column):
        listings(2, **{column: value})


@pytest.mark.parametrize(
    ("listings", "column", "value"),
    [(needs, "waiting_days", -0.5), (needs, "urgency", 0), (needs, "urgency", 4), (offers, "capacity", -1)],
)
def test_what_only_needs_or_offers_have_is_checked_too(listings, column, value):
    with pytest.raises(ValueError, match=column):
        listings(1, **{column: value})


def test_the_row_at_fault_is_told():
    with pytest.raises(ValueError, match="row 1"):
        needs(3, level=[1, 9, 1])


def test_columns_of_different_lengths_are_refused():
    two = needs(2)
    columns = {column.name: getattr(two, column.name) for column in fields(two) if column.init}

    with pytest.raises(ValueError, match="level 1"):
        Needs(**columns | {"level": np.array([1])})


def test_rows_are_taken_in_their_order():
    taken = offers(3, capacity=[5, 6, 7]).take(np.array([2, 0]))

    assert (taken.id.tolist(), taken.capacity.tolist()) == ([2, 0], [7, 5])


def test_edges_need_columns_of_one_length():
    with pytest.raises(ValueError, match="weight"):
        Edges(np.array([0]), np.array([0]), np.array([1.0]), np.array([]))
