"""Counts by place that tell nothing of one structure."""

from hypothesis import given
from hypothesis import strategies as st

from marketplace.services.roll_up import SMALLEST, Cell, rolled_up

ABOUT = ("besoin", "vente-en-ligne")


def cell(commune: str, count: int, structures: int, *, territory: str = "T") -> Cell:
    return Cell((commune, territory, ""), ABOUT, count, structures)


def test_a_place_with_enough_structures_has_its_own_line():
    assert list(rolled_up([cell("A", 7, 3)])) == [(0, cell("A", 7, 3))]


def test_small_places_are_added_up_to_the_place_around():
    shown = list(rolled_up([cell("A", 5, 3), cell("B", 1, 1), cell("C", 4, 2)]))
    assert shown == [(0, cell("A", 5, 3)), (1, Cell(("T", ""), ABOUT, 5, 3))]


def test_what_is_small_everywhere_is_left_out():
    assert list(rolled_up([cell("A", 9, 1), cell("B", 1, 1)])) == []


def test_small_places_of_different_territories_meet_in_the_nation():
    shown = list(rolled_up([cell("A", 2, 2), cell("B", 1, 1, territory="U")]))
    assert shown == [(2, Cell(("",), ABOUT, 3, 3))]


cells = st.lists(
    st.builds(
        lambda commune, extra, structures: cell(
            f"C{commune}", structures + extra, structures, territory=f"T{commune % 3}"
        ),
        st.integers(0, 9),
        st.integers(0, 5),
        st.integers(1, 6),
    ),
    unique_by=lambda each: each.places[0],
)


@given(cells)
def test_nothing_small_is_shown_and_nothing_is_counted_twice(given_cells):
    shown = [each for _level, each in rolled_up(given_cells)]
    assert all(each.structures >= SMALLEST for each in shown)
    total, told = sum(each.count for each in given_cells), sum(each.count for each in shown)
    left = sum(each.structures for each in given_cells) - sum(each.structures for each in shown)
    assert told <= total
    assert 0 <= left < SMALLEST


@given(cells)
def test_the_order_of_the_rows_changes_nothing(given_cells):
    assert list(rolled_up(given_cells)) == list(rolled_up(reversed(given_cells)))
