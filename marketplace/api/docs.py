"""The page that explains the API to people.

Its addresses come from the description, its examples are run by the tests.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from marketplace.api import problems, spec
from marketplace.api.http import BODY_MAX, PARTNER_PREFIX

bp = Blueprint("api_docs", __name__)


@dataclass(frozen=True, slots=True)
class Example:
    """Something to try: an address, and what it gives."""

    says: str
    path: str


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    says: str
    form: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    says: str
    parameters: Sequence[Parameter]
    is_for_partners: bool


EXAMPLES = (
    Example(
        "Les cinq derniers besoins de Rennes Métropole",
        "/api/v1/listings?kind=need&territory=243500139&limit=5",
    ),
    Example(
        "Qui sait tenir une boutique en ligne à moins de 15 km de Rennes",
        "/api/v1/listings?kind=offer&skill=boutique-en-ligne&commune=35238&radius=15",
    ),
    Example(
        "Seulement le titre et l’adresse de chaque annonce", "/api/v1/listings?fields=title,url&limit=100"
    ),
    Example("Les compétences de la cybersécurité", "/api/v1/skills?domain=cybersecurite"),
    Example(
        "Les territoires d’Ille-et-Vilaine qui animent l’échange",
        "/api/v1/territories?open=true&department=35",
    ),
    Example(
        "Les prestataires labellisés à moins de 30 km de Rennes", "/api/v1/providers?commune=35238&radius=30"
    ),
    Example("Les chiffres d’un territoire", "/api/v1/stats?territory=243500139"),
)
# What a partner sends; the SIRET is that of a structure that agreed.
NEW_LISTING: Mapping[str, Any] = {
    "siret": "90000000100017",
    "kind": "need",
    "skill": "boutique-en-ligne",
    "level": 2,
    "title": "Vendre nos confitures sur internet",
    "description": "Nous faisons des confitures et voulons les vendre en ligne sans y passer nos nuits.",
    "places": ["helper", "learner"],
    "radius_km": 20,
}


@bp.get("/api")
def show() -> ResponseReturnValue:
    return render_template(
        "api/docs.html",
        base=current_app.config["PUBLIC_URL"],
        examples=EXAMPLES,
        new_listing=json.dumps(NEW_LISTING, ensure_ascii=False, indent=2),
        operations=list(_operations()),
        refusals=problems.STATUSES,
        body_max_kib=BODY_MAX // 1024,
    )


def _operations() -> Iterator[Operation]:
    for path, methods in spec.current()["paths"].items():
        for method, told in methods.items():
            yield Operation(
                method=method.upper(),
                path=path,
                says=told["summary"],
                parameters=[_parameter(each) for each in told["parameters"]],
                is_for_partners=path.startswith(PARTNER_PREFIX),
            )


def _parameter(told: Mapping[str, Any]) -> Parameter:
    schema = told["schema"]
    return Parameter(
        name=told["name"],
        says=told.get("description", ""),
        form=_form(schema),
        is_required=told.get("required", False),
    )


def _form(schema: Mapping[str, Any]) -> str:
    """Return which values there are, in French."""
    if "enum" in schema:
        return " ou ".join(schema["enum"])
    if schema["type"] == "integer":
        return f"de {schema['minimum']} à {schema['maximum']}"
    if schema.get("format") == "date":
        return "date, comme 2026-11-24"
    return "texte"
