"""Distances against geopy's geodesic, in France and overseas."""

import numpy as np
import pytest
from geopy.distance import geodesic
from hypothesis import given
from hypothesis import strategies as st

from marketplace.matching import geodesic_km, great_circle_km

METRE = 1e-3
# South, north, west, east.
TERRITORIES = {
    "metropolitan France": (41.3, 51.1, -5.2, 9.6),
    "Guadeloupe and Martinique": (14.3, 16.6, -61.9, -60.8),
    "Guyane": (2.1, 5.8, -54.6, -51.6),
    "La Réunion": (-21.4, -20.8, 55.2, 55.9),
    "Mayotte": (-13.1, -12.6, 45.0, 45.3),
    "Saint-Pierre-et-Miquelon": (46.7, 47.2, -56.5, -56.1),
    "Nouvelle-Calédonie": (-22.8, -19.5, 163.5, 168.2),
    "Polynésie": (-18.0, -16.4, -152.0, -148.0),
    "Wallis-et-Futuna": (-14.4, -13.2, -178.3, -176.1),
}
RENNES, PARIS, SAINT_DENIS = (48.1159, -1.6884), (48.8589, 2.347), (-20.9329, 55.4469)
latitudes, longitudes = st.floats(-90, 90), st.floats(-180, 180)


def geopy_km(lat, lon, other_lat, other_lon):
    ends = zip(lat, lon, other_lat, other_lon, strict=True)
    return np.array([geodesic((a, b), (c, d)).km for a, b, c, d in ends])


@pytest.mark.parametrize("territory", TERRITORIES)
def test_distances_up_to_200_km_are_within_a_metre_of_the_geodesic(territory):
    south, north, west, east = TERRITORIES[territory]
    random = np.random.default_rng(1)
    lat, lon = random.uniform(south, north, 200), random.uniform(west, east, 200)
    bearing, km = random.uniform(0, 2 * np.pi, 200), random.uniform(0, 195, 200)
    other_lat = lat + km * np.cos(bearing) / 111.7
    other_lon = (lon + km * np.sin(bearing) / (111.7 * np.cos(np.radians(lat))) + 180) % 360 - 180

    exact = geopy_km(lat, lon, other_lat, other_lon)

    np.testing.assert_allclose(geodesic_km(lat, lon, other_lat, other_lon), exact, rtol=0, atol=METRE)


def test_far_distances_are_within_a_part_of_0_6_percent():
    far = geodesic_km(*PARIS, *SAINT_DENIS)

    assert far == pytest.approx(geodesic(PARIS, SAINT_DENIS).km, rel=0.006)


@given(latitudes, longitudes, latitudes, longitudes)
def test_a_distance_is_the_same_both_ways_and_near_the_great_circle(lat, lon, other_lat, other_lon):
    there = geodesic_km(lat, lon, other_lat, other_lon)

    assert there == geodesic_km(other_lat, other_lon, lat, lon)
    on_sphere = great_circle_km(lat, lon, other_lat, other_lon)
    # Each may be 0.6 % off; near the antipodes the chord says little of the arc.
    assert there == pytest.approx(on_sphere, rel=0.012 if on_sphere < 15_000 else 0.05, abs=METRE)


def test_antipodes_are_told_a_little_short():
    assert geodesic_km(90, 0, -90, 0) == pytest.approx(geodesic((90, 0), (-90, 0)).km, rel=0.043)


def test_the_antimeridian_is_no_border():
    assert geodesic_km(-16.8, 179.99, -16.8, -179.99) == pytest.approx(2.13, abs=0.01)


def test_a_point_is_0_km_from_itself_and_at_no_distance_from_no_point():
    assert geodesic_km(*RENNES, *RENNES) == 0
    assert np.isnan(geodesic_km(*RENNES, np.nan, np.nan))


def test_one_point_and_many_broadcast():
    km = geodesic_km(*RENNES, np.array([RENNES[0], PARIS[0]]), np.array([RENNES[1], PARIS[1]]))

    assert km.shape == (2,)
    np.testing.assert_allclose(km, [0, geodesic(RENNES, PARIS).km], atol=METRE, rtol=1e-4)


def test_the_great_circle_is_within_0_6_percent_of_the_geodesic():
    assert great_circle_km(*RENNES, *PARIS) == pytest.approx(geodesic(RENNES, PARIS).km, rel=0.006)
