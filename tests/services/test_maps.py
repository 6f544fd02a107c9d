"""Maps drawn on the server."""

import re
from dataclasses import replace

import pytest
from flask import Flask, render_template_string

from marketplace.models import Commune
from marketplace.services import maps
from marketplace.services.maps import Point, Reading
from tests.support.builders import CESSON, LIFFRE, RENNES, RENNES_METROPOLE

LARGEST_SVG = 60_000
MACRO = '{% from "components/map.html" import map %}{{ map(drawing) }}'


def reading(insee: str, value: int | None, name: str = "Ici") -> Reading:
    return Reading(insee, name, value, ("moins de 5" if value is None else value,))


def drawn(*readings: Reading, points=()) -> maps.Drawing:
    return maps.draw_communes(readings, title="Besoins", columns=("Commune", "Besoins"), points=points)


def html_of(app: Flask, drawing: maps.Drawing) -> str:
    with app.test_request_context():
        return render_template_string(MACRO, drawing=drawing)


def corners(path: str) -> list[tuple[int, int]]:
    """Return the corners of the first ring of relative path data, as any SVG reader would."""
    start, moves = re.match(r"M([^l]*)l([^z]*)z", path).groups()
    (x, y), numbers = map(int, re.findall(r"-?\d+", start)), [int(n) for n in re.findall(r"-?\d+", moves)]
    found = [(x, y)]
    for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
        x, y = x + dx, y + dy
        found.append((x, y))
    return found


def test_a_shape_lies_within_the_drawing_and_fills_it():
    drawing = drawn(reading(RENNES, 3))

    points = corners(drawing.shapes[0].path)
    assert max(drawing.width, drawing.height) == maps.SIDE
    assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in points)
    assert max(x for x, _ in points) > 0.9 * drawing.width


def test_north_is_up_and_east_is_right():
    """Liffré lies north-east of Rennes."""
    drawing = drawn(reading(RENNES, 0), reading(LIFFRE, 0))

    (rennes_x, rennes_y), (liffre_x, liffre_y) = (corners(shape.path)[0] for shape in drawing.shapes)
    assert liffre_x > rennes_x
    assert liffre_y < rennes_y


def test_a_kilometre_is_as_long_to_the_east_as_to_the_north():
    square = [Point("a", 48.0, -1.0), Point("b", 48.18, -1.0), Point("c", 48.0, -1.0 + 0.18 / 0.6684)]

    a, b, c = maps.draw_points(square, title="x", columns=("Lieu",)).spots

    assert c.x - a.x == pytest.approx(a.y - b.y, rel=0.01)


def test_neighbours_share_their_border_to_the_unit():
    drawing = drawn(reading(RENNES, 1), reading(CESSON, 2))

    ours, theirs = (set(corners(shape.path)) for shape in drawing.shapes)
    assert len(ours & theirs) > 3


def test_the_more_the_darker_and_none_is_left_white():
    values = {RENNES: 40, CESSON: 1, LIFFRE: 0}

    steps = {shape.value: shape.step for shape in drawn(*(reading(*one) for one in values.items())).shapes}

    assert steps[0] == 0
    assert 0 < steps[1] < steps[40] == maps.STEPS


def test_the_legend_says_each_step_that_is_drawn():
    drawing = drawn(reading(RENNES, 40), reading(CESSON, 1), reading(LIFFRE, 2))

    for shape in drawing.shapes:
        (step,) = [step for step in drawing.steps if step.number == shape.step]
        assert step.low <= shape.value <= step.high


def test_the_table_has_every_commune_also_those_without_an_outline(app):
    drawing = drawn(reading(RENNES, 3, "Rennes"), reading("98711", 2, "Arue"))

    assert [row.name for row in drawing.rows] == ["Rennes", "Arue"]
    assert [shape.name for shape in drawing.shapes] == ["Rennes"]


def test_without_any_outline_only_the_table_is_shown(app):
    html = html_of(app, drawn(reading("98711", 2, "Arue")))

    assert "<svg" not in html
    assert "Arue" in html


def test_what_is_not_told_is_hatched_and_said(app):
    html = html_of(app, drawn(reading(RENNES, None, "Rennes")))

    assert 'fill="url(#carte-hachures)"' in html
    assert "<title>Rennes\u00a0: non communiqué</title>" in html
    assert "moins de 5" in html


def test_points_at_one_place_share_a_mark_and_keep_their_rows(app):
    here = Point("Chez A", 48.1, -1.6, cells=("2 km",), url="/prestataires/1")
    drawing = maps.draw_points(
        [here, replace(here, name="Chez B"), Point("Chez C", 48.2, -1.5)], title="x", columns=("Nom", "Km")
    )

    assert [(spot.text, spot.names) for spot in drawing.spots] == [
        ("1+", ("Chez A", "Chez B")),
        ("3", ("Chez C",)),
    ]
    assert '1. <a href="/prestataires/1">Chez A</a>' in html_of(app, drawing)


def test_points_are_drawn_over_the_departments_around():
    drawing = maps.draw_points(
        [Point("Rennes", 48.11, -1.68), Point("Laval", 48.07, -0.77)], title="x", columns=("Lieu",)
    )

    assert 2 <= len(drawing.background) <= 6


def test_a_map_of_no_point_is_an_empty_table(app):
    drawing = maps.draw_points([], title="Prestataires", columns=("Nom",))

    assert drawing.rows == ()
    assert "<svg" not in html_of(app, drawing)


def test_a_name_cannot_break_out_of_the_drawing(app):
    html = html_of(app, drawn(reading(RENNES, 1, '<script>"x"</script>')))

    assert "<script>" not in html


def test_nothing_in_the_drawing_needs_a_style_that_the_policy_forbids(app):
    html = html_of(app, drawn(reading(RENNES, None), reading(CESSON, 2), points=[Point("a", 48.1, -1.6)]))

    assert "style" not in html


@pytest.mark.parametrize("siren", [RENNES_METROPOLE, "200067106"])
def test_the_drawing_of_an_intercommunality_stays_light(app, db_session, siren):
    """Rennes Métropole has 43 communes, Pays Basque, the largest, 158."""
    communes = db_session.query(Commune).filter_by(territory_siren=siren).all()
    html = html_of(app, drawn(*(reading(one.insee, number, one.name) for number, one in enumerate(communes))))

    svg = re.search(r"<svg class=\"map-drawing\".*?</svg>", html, re.DOTALL).group()
    assert len(svg.encode()) <= LARGEST_SVG
