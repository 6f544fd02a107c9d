"""A partner with a token, and a structure that agreed."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from marketplace.extensions import db
from marketplace.models import Organisation, PartnerToken, Scope, User
from marketplace.services import partners
from tests.support.builders import RENNES_METROPOLE, Market

LISTINGS = "/api/v1/partner/listings"
NEED = {
    "kind": "need",
    "skill": "boutique-en-ligne",
    "level": 2,
    "title": "Vendre nos confitures sur internet",
    "description": "Nous faisons des confitures et voulons les vendre sur internet sans y passer nos nuits.",
    "places": ["helper", "remote"],
    "radius_km": 20,
}


@dataclass(slots=True)
class Holder:
    """Somebody with a token. What it sends is right unless a test says otherwise."""

    client: FlaskClient
    token: PartnerToken
    secret: str

    def send(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> TestResponse:
        told = {"Idempotency-Key": f'"{uuid4()}"' if key is None else key, **self.proof, **headers}
        return self.client.post(path, json=body, headers={k: v for k, v in told.items() if v})

    def create(self, organisation: Organisation, *, key: str | None = None, **fields: Any) -> TestResponse:
        return self.send(LISTINGS, {**NEED, "siret": organisation.siret, **fields}, key=key)

    def close(self, listing_id: int, *, key: str | None = None) -> TestResponse:
        return self.send(f"{LISTINGS}/{listing_id}/close", {}, key=key)

    def get(self, path: str = LISTINGS) -> TestResponse:
        return self.client.get(path, headers=self.proof)

    @property
    def proof(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


def holder(
    client: FlaskClient,
    market: Market,
    *,
    siren: str = RENNES_METROPOLE,
    name: str = "Chambre de métiers",
    scopes: tuple[Scope, ...] = tuple(Scope),
    by: User | None = None,
) -> Holder:
    market.open_territory(siren)
    issued = partners.issue(siren, name=name, scopes=scopes, days=90, by=by or market.moderator(siren))
    return Holder(client, issued.token, issued.secret)


def agree(organisation: Organisation, to: Holder, *, by: User) -> None:
    partners.consent(organisation.id, to.token.partner_id, given=True, by=by)
    db.session.rollback()
