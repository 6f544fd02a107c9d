"""The national address base, spoken to over HTTP: answers in its shape, and all that can go wrong."""

import pytest

from marketplace.adapters import geocoding
from marketplace.adapters.geocoding import GeocodingConfig, Point
from tests.support.services import free_port

CESSON, RENNES, PARIS = "35051", "35238", "75056"


def feature(citycode: str, lon: float, lat: float, city: str = "Cesson-Sévigné") -> dict[str, object]:
    """Return one address as the service gives it."""
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": {
            "label": f"1 Rue de la Chalotais 35510 {city}",
            "score": 0.9726963636363636,
            "housenumber": "1",
            "id": f"{citycode}_0430_00001",
            "type": "housenumber",
            "name": "1 Rue de la Chalotais",
            "postcode": "35510",
            "citycode": citycode,
            "x": 357_012.2,
            "y": 6_789_534.1,
            "city": city,
            "context": "35, Ille-et-Vilaine, Bretagne",
            "importance": 0.69966,
            "street": "Rue de la Chalotais",
        },
    }


def collection(*features: object) -> dict[str, object]:
    return {
        "type": "FeatureCollection",
        "version": "draft",
        "features": list(features),
        "attribution": "BAN",
        "licence": "ETALAB-2.0",
        "query": "1 rue de la Chalotais",
        "limit": 5,
    }


@pytest.fixture
def locate(service):
    """Ask the local service for an address."""

    def ask(
        address: str = "1 rue de la Chalotais", insee: str = CESSON, *, timeout: float = 5.0
    ) -> Point | None:
        config = GeocodingConfig(domain=f"{service.host}/geocodage", scheme="http", timeout=timeout)
        return geocoding.locate(address, insee, config)

    return ask


def test_an_address_becomes_a_point(service, locate):
    service.answer(collection(feature(CESSON, -1.6036, 48.1212)))
    assert locate() == Point(lat=48.1212, lon=-1.6036)
    assert service.asked == [("/geocodage/search", {"q": ["1 rue de la Chalotais"]})]


def test_the_first_answer_in_the_commune_counts(service, locate):
    service.answer(
        collection(feature(RENNES, -1.68, 48.11), feature(CESSON, -1.6, 48.12), feature(CESSON, -1.5, 48.0))
    )
    assert locate() == Point(lat=48.12, lon=-1.6)


def test_an_address_of_another_commune_only_is_no_answer(service, locate):
    service.answer(collection(feature(RENNES, -1.68, 48.11)))
    assert locate() is None


def test_an_arrondissement_is_its_city(service, locate):
    service.answer(collection(feature("75108", 2.31, 48.87, "Paris")))
    assert locate(insee=PARIS) == Point(lat=48.87, lon=2.31)


def test_an_accent_and_a_sign_reach_the_service_as_they_are(service, locate):
    service.answer(collection())
    locate("3 allée de l’Été & fils ?#%")
    assert service.asked[0][1] == {"q": ["3 allée de l’Été & fils ?#%"]}


def test_without_a_service_nobody_is_asked(service):
    config = GeocodingConfig(domain="", scheme="http", timeout=0.3)
    assert geocoding.locate("1 rue de la Chalotais", CESSON, config) is None
    assert service.asked == []


def test_no_answer_is_no_answer(service, locate):
    service.answer(collection())
    assert locate() is None


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503, 504])
def test_a_service_that_refuses_stops_nobody(service, locate, status):
    service.status = status
    service.answer({"code": status, "message": "no"})
    assert locate() is None


def test_a_service_that_does_not_answer_in_time_stops_nobody(service, locate):
    service.answer(collection(feature(CESSON, -1.6, 48.1)))
    service.delay = 0.6
    assert locate(timeout=0.2) is None


def test_a_service_that_is_down_stops_nobody():
    config = GeocodingConfig(domain=f"127.0.0.1:{free_port()}", scheme="http", timeout=0.3)
    assert geocoding.locate("1 rue de la Chalotais", CESSON, config) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b'{"features": [',
        b"[]",
        b"null",
        b'"features"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        {"features": None},
        {"features": 7},
        {"features": ["?"]},
        {"features": [None]},
        {"features": [{}]},
        {"features": [{"geometry": {"coordinates": []}, "properties": {"citycode": CESSON}}]},
        {"features": [{"geometry": {"coordinates": ["a", "b"]}, "properties": {"citycode": CESSON}}]},
        {"features": [{"geometry": {"coordinates": [None, None]}, "properties": {"citycode": CESSON}}]},
        {"features": [{"geometry": {"coordinates": [-1.6, 948.1]}, "properties": {"citycode": CESSON}}]},
        {
            "features": [
                {"geometry": {"coordinates": [-1.6, float("nan")]}, "properties": {"citycode": CESSON}}
            ]
        },
        {"features": [{"geometry": {"coordinates": [-1.6, 48.1]}, "properties": None}]},
        {"features": [{"geometry": {"coordinates": [-1.6, 48.1]}}]},
    ],
)
def test_an_answer_of_another_shape_stops_nobody(service, locate, body):
    service.answer(body)
    assert locate() is None


def test_the_settings_say_where_the_service_is():
    settings = {"BAN_DOMAIN": "ban.example/geocodage", "BAN_SCHEME": "https", "ADAPTER_TIMEOUT_SECONDS": 3}
    assert geocoding.from_config(settings) == GeocodingConfig("ban.example/geocodage", "https", 3.0)


def test_a_service_that_stumbles_once_is_asked_again(service, locate):
    service.first = [500]
    service.answer(collection(feature(CESSON, -1.6036, 48.1212)))
    assert locate() == Point(lat=48.1212, lon=-1.6036)


def test_a_point_that_was_found_is_not_asked_for_twice(service, locate):
    service.answer(collection(feature(CESSON, -1.6036, 48.1212)))
    assert locate() == locate()
    assert len(service.asked) == 1


def test_an_endless_answer_stops_nobody(service, locate):
    service.answer(b'{"features": "' + b"x" * 3_000_000 + b'"}')
    assert locate() is None
