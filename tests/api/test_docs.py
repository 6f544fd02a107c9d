"""The page that explains the API: what it says works."""

import re
from html import unescape

import pytest

from marketplace.api.docs import EXAMPLES, NEW_LISTING
from tests.support.partners import agree, holder


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.path)
def test_each_example_works(client, market, example):
    market.open_territory()
    answer = client.get(example.path)
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert example.path in unescape(client.get("/api").text)


def test_the_example_of_a_partner_works(client, market):
    chamber = holder(client, market)
    organisation = market.organisation(siret=NEW_LISTING["siret"])
    agree(organisation, chamber, by=market.speaker(organisation))
    page = unescape(client.get("/api").text)
    [(address, key, body)] = re.findall(
        r"curl 'http://localhost([^']*)' \\\n.*?Idempotency-Key: (\S+)' \\\n  -d '(.*?)'</code>", page, re.S
    )
    headers = {**chamber.proof, "Idempotency-Key": key, "Content-Type": "application/json"}
    assert client.post(address, data=body.encode(), headers=headers).status_code == 201


def test_it_tells_every_address_and_every_refusal(app, client):
    page = client.get("/api").text
    for path, methods in client.get("/api/v1/openapi.json").json["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in page
    refused = client.get("/api/v1/nothing").json
    assert f'id="{refused["type"].split("#")[1]}"' in page


def test_it_calls_nobody_else(client):
    page = client.get("/api").text
    assert re.findall(r'(?:src|href)="(https?://[^"]*)"', page) == [
        "https://www.etalab.gouv.fr/licence-ouverte-open-licence/"
    ]
    assert "style=" not in page
    assert len(re.findall(r"<script", page)) == 1
