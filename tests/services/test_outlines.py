"""The outlines of communes and departments."""

from marketplace.services import outlines
from tests.support.builders import CESSON, PARIS, RENNES


def test_a_commune_has_the_ring_that_the_file_gives():
    found = outlines.of_communes([RENNES])

    (ring,) = found[RENNES]
    assert all(-1.8 < lon < -1.5 and 48.0 < lat < 48.2 for lon, lat in ring)


def test_communes_of_several_departments_are_found_together():
    assert outlines.of_communes([CESSON, PARIS, "97411"]).keys() == {CESSON, PARIS, "97411"}


def test_a_code_that_nobody_knows_is_left_out():
    assert outlines.of_communes(["98799", "zz", ""]) == {}


def test_all_departments_are_there_but_those_without_outline():
    found = outlines.of_departments()

    assert len(found) == 101
    assert {"2A", "35", "974"} <= found.keys()


def test_a_commune_of_several_parts_keeps_them_all():
    """Bormes-les-Mimosas and its islands, an enclave of the Vaucluse: several rings."""
    outline = outlines.of_communes(["83069"])["83069"]

    assert len(outline) > 1
