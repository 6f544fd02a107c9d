"""The API keeps to its own description, whatever schemathesis makes up from it, right or wrong."""

from contextvars import Context

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks

from marketplace.services import throttle
from tests.support.builders import RENNES, RENNES_METROPOLE
from tests.support.partners import NEED, agree, holder

# A few for each of the two modes and each address: seconds, not minutes.
EXAMPLES = 8
# What a request that fits the description may still get: 400 for a cursor that was made up, 422 for a rule
# that JSON Schema does not say (an unknown field, a radius without its commune, text that cannot be kept).
EXPECTED = ["2xx", "304", "400", "401", "403", "404", "409", "410", "422"]

pytestmark = pytest.mark.parametrize("app", ["sqlite"], indirect=True)


@pytest.fixture
def chamber(app, client, market, monkeypatch):
    monkeypatch.setattr(throttle, "count_attempt", lambda *_args, **_limits: None)
    return holder(client, market)


@pytest.fixture
def described(app, chamber):
    load_all_checks()
    config = schemathesis.Config.from_dict(
        {"checks": {"positive_data_acceptance": {"expected-statuses": EXPECTED}}}
    )
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app, config=config)


def ask(case, proof):
    """Ask as a request of its own, outside the test's application context."""
    headers = proof if case.path.startswith("/api/v1/partner/") else {}
    return Context().run(case.call_and_validate, headers=headers)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_whatever_is_asked_is_answered_as_described(described, chamber, market, mode):
    market.need(), market.offer()
    asked = []
    for found in described.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case):
            asked.append(ask(case, chamber.proof).status_code)

        run()
    assert len(asked) > 40


def test_what_is_there_is_answered_as_described(described, chamber, market):
    need, offer, baker = market.need(), market.offer(), market.organisation()
    agree(baker, chamber, by=market.speaker(baker))
    own = chamber.create(baker).json["id"]
    this, mine = {"listing_id": need.id}, {"listing_id": own}
    asked = [
        ("/api/v1/listings", "GET", {"query": {"limit": 1, "territory": RENNES_METROPOLE}}),
        ("/api/v1/listings/{listing_id}", "GET", {"path_parameters": this}),
        ("/api/v1/listings/{listing_id}/explain", "GET", {"path_parameters": this}),
        ("/api/v1/explain", "GET", {"query": {"need": need.id, "offer": offer.id}}),
        ("/api/v1/skills", "GET", {"query": {"domain": "bureautique"}}),
        ("/api/v1/territories", "GET", {"query": {"department": "35"}}),
        ("/api/v1/providers", "GET", {"query": {"commune": RENNES}}),
        ("/api/v1/stats", "GET", {}),
        ("/api/v1/partner/listings", "GET", {"query": {"limit": 1}}),
        ("/api/v1/partner/listings/{listing_id}", "GET", {"path_parameters": mine}),
        (
            "/api/v1/partner/listings",
            "POST",
            {
                "body": {**NEED, "siret": baker.siret, "title": "Une autre annonce"},
                "headers": {"Idempotency-Key": "create"},
                "media_type": "application/json",
            },
        ),
        (
            "/api/v1/partner/listings/{listing_id}/close",
            "POST",
            {"path_parameters": mine, "headers": {"Idempotency-Key": "close"}},
        ),
    ]
    assert {(path, method) for path, method, _ in asked} == {
        (found.ok().path, found.ok().method.upper()) for found in described.get_all_operations()
    }
    for path, method, sent in asked:
        answer = ask(described[path][method].Case(**sent), chamber.proof)
        assert answer.status_code in (200, 201), (path, answer.text)
