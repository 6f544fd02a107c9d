"""Distances on the Earth, from arrays to arrays."""

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching.validation import FloatArray

# WGS 84 (NIMA TR8350.2, 2000): semi-major axis in km, flattening.
SEMI_MAJOR_KM = 6378.137
FLATTENING = 1 / 298.257223563
ECCENTRICITY_SQUARED = FLATTENING * (2 - FLATTENING)
MEAN_RADIUS_KM = 6371.0088
# Gauss' series is used up to here (off by 0.3 m at most), the great circle beyond.
SERIES_MAX_KM = 300.0


def great_circle_km(lat: ArrayLike, lon: ArrayLike, other_lat: ArrayLike, other_lon: ArrayLike) -> FloatArray:
    """Great-circle distance by the haversine formula (Sinnott 1984), in km on a sphere of radius 6371.0088 km.

    Arrays broadcast; degrees in, km out, same shape. Off by less than 0.6 % from the WGS 84 geodesic.
    """
    phi, other_phi = np.radians(lat), np.radians(other_lat)
    half_phi = (other_phi - phi) / 2
    half_lambda = np.radians(np.subtract(other_lon, lon)) / 2
    h = np.sin(half_phi) ** 2 + np.cos(phi) * np.cos(other_phi) * np.sin(half_lambda) ** 2
    return np.asarray(2 * MEAN_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(h, 1.0))), np.float64)


def geodesic_km(lat: ArrayLike, lon: ArrayLike, other_lat: ArrayLike, other_lon: ArrayLike) -> FloatArray:
    """Distance on the WGS 84 ellipsoid by Gauss' mid-latitude formula, in km.

    Parameters
    ----------
    lat, lon, other_lat, other_lon : array_like of float
        Degrees; they broadcast. NaN gives NaN.

    Returns
    -------
    ndarray of float
        km, of the broadcast shape.

    Notes
    -----
    Off by less than 2 mm at 60 km, 0.1 m at 200 km and 0.3 m at 300 km in France (measured against geopy's
    geodesic). Beyond 300 km the great circle stands in, off by less than 0.6 %: no exchange on site is that far.
    O(n). Source: Torge and Müller, Geodesy, 4th ed., 2012, section 6.3 (inverse solution by the mid-latitude
    formulas of Gauss).
    """
    great_circle = great_circle_km(lat, lon, other_lat, other_lon)
    return np.where(great_circle > SERIES_MAX_KM, great_circle, _mid_latitude_km(lat, lon, other_lat, other_lon))


def _mid_latitude_km(lat: ArrayLike, lon: ArrayLike, other_lat: ArrayLike, other_lon: ArrayLike) -> FloatArray:
    phi, other_phi = np.radians(lat), np.radians(other_lat)
    middle, d_phi = (phi + other_phi) / 2, other_phi - phi
    d_lambda = np.radians(np.subtract(other_lon, lon))
    cos_squared = np.cos(middle) ** 2
    tan_squared = np.tan(middle) ** 2
    eta_squared = ECCENTRICITY_SQUARED / (1 - ECCENTRICITY_SQUARED) * cos_squared
    v_squared = 1 + eta_squared
    normal = SEMI_MAJOR_KM / np.sqrt(1 - ECCENTRICITY_SQUARED * np.sin(middle) ** 2)
    east = (
        normal
        * d_lambda
        * np.cos(middle)
        * (
            1
            - d_lambda**2 * np.sin(middle) ** 2 / 24
            + d_phi**2 * (1 + eta_squared - 9 * eta_squared * tan_squared) / (24 * v_squared**2)
        )
    )
    north = (
        normal
        * d_phi
        / v_squared
        * (
            1
            - d_lambda**2 * cos_squared * (2 + 3 * tan_squared + 2 * eta_squared) / 24
            + d_phi**2
            * eta_squared
            * (tan_squared - 1 - eta_squared - 4 * eta_squared * tan_squared)
            / (8 * v_squared**2)
        )
    )
    return np.asarray(np.hypot(east, north), np.float64)


def ecef_km(lat: FloatArray, lon: FloatArray) -> FloatArray:
    """Earth-centred coordinates of points on the WGS 84 ellipsoid, in km; shape (n, 3).

    The straight line between two points is never longer than the geodesic: a search by it misses nobody.
    """
    phi, lam = np.radians(lat), np.radians(lon)
    normal = SEMI_MAJOR_KM / np.sqrt(1 - ECCENTRICITY_SQUARED * np.sin(phi) ** 2)
    return np.column_stack(
        (
            normal * np.cos(phi) * np.cos(lam),
            normal * np.cos(phi) * np.sin(lam),
            normal * (1 - ECCENTRICITY_SQUARED) * np.sin(phi),
        )
    )
