"""From a postal address to a point, by the national address base (geopy's BANFrance) where configured."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from geopy.adapters import BaseSyncAdapter
from geopy.exc import GeocoderServiceError, GeopyError
from geopy.geocoders import BANFrance

from marketplace.adapters import http
from marketplace.adapters.cache import Cache
from marketplace.adapters.insee import commune_of

log = logging.getLogger(__name__)
# Points found, for a day: an address does not move.
_found: "Cache[tuple[str, str, str], Point]" = Cache(seconds=86_400, size=1000)


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
    key = config.domain, address, insee
    kept = _found.get(key)
    if kept is not None:
        return kept
    geocoder = BANFrance(
        domain=config.domain, scheme=config.scheme, timeout=config.timeout, adapter_factory=_Adapter
    )
    try:
        found = geocoder.geocode(address, exactly_one=False) or []
        here = (place for place in found if _commune(place.raw) == insee)
        place = next(here, None)
    except (GeopyError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        log.warning("address service unavailable", exc_info=True)
        return None
    if place is None:
        return None
    point = Point(lat=place.latitude, lon=place.longitude)
    _found.put(key, point)
    return point


class _Adapter(BaseSyncAdapter):
    """Lets geopy ask the way every other service is asked."""

    def get_json(self, url: str, *, timeout: float, headers: Mapping[str, str]) -> Any:
        return json.loads(self.get_text(url, timeout=timeout, headers=headers))

    def get_text(self, url: str, *, timeout: float, headers: Mapping[str, str]) -> str:
        try:
            answer = http.get(url, timeout=timeout, headers=headers)
        except http.Unavailable as error:
            raise GeocoderServiceError(str(error)) from error
        if not answer.is_ok:
            raise GeocoderServiceError(f"status {answer.status}")
        return answer.body.decode()


def _commune(feature: dict[str, Any]) -> str:
    """Return the commune of an answer, a GeoJSON feature."""
    return commune_of(str(feature["properties"].get("citycode", "")))
