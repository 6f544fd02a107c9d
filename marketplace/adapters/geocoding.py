"""From a postal address to a point, by the national address base (geopy's BANFrance) where configured."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from geopy.exc import GeopyError
from geopy.geocoders import BANFrance

from marketplace.adapters.insee import commune_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Point:
    """WGS 84, degrees."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class GeocodingConfig:
    """`domain`: host and path of the service, empty when there is none."""

    domain: str
    scheme: str
    timeout: float


def from_config(config: Mapping[str, object]) -> GeocodingConfig:
    return GeocodingConfig(
        domain=str(config["BAN_DOMAIN"]),
        scheme=str(config["BAN_SCHEME"]),
        timeout=float(str(config["ADAPTER_TIMEOUT_SECONDS"])),
    )


def locate(address: str, insee: str, config: GeocodingConfig) -> Point | None:
    """Return the point of `address` in the commune `insee`.

    None when no service is configured, when it finds nothing in that commune, or when it does not answer: an
    address is never worth refusing a structure for.
    """
    if not config.domain:
        return None
    geocoder = BANFrance(domain=config.domain, scheme=config.scheme, timeout=config.timeout)
    try:
        found = geocoder.geocode(address, exactly_one=False) or []
        here = (place for place in found if _commune(place.raw) == insee)
        place = next(here, None)
    except (GeopyError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        log.warning("address service unavailable", exc_info=True)
        return None
    return Point(lat=place.latitude, lon=place.longitude) if place else None


def _commune(feature: dict[str, Any]) -> str:
    """Return the commune of an answer, a GeoJSON feature."""
    return commune_of(str(feature["properties"].get("citycode", "")))
