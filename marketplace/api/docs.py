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
from marketplace.api.schemas import ID_MAX

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
_SIMPLE = {
    "boolean": "true ou false",
    "integer": "identifiant",
    "date": "date, comme 2026-11-24",
    "string": "texte",
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
    for path, methods in sorted(spec.current()["paths"].items()):
        for method, told in methods.items():
            yield Operation(
                method=method.upper(),
                path=path,
                says=told["summary"],
                parameters=[*map(_parameter, told["parameters"]), *_of_body(told)],
                is_for_partners=path.startswith(PARTNER_PREFIX),
            )


def _parameter(told: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=told["name"],
        says=told.get("description", ""),
        form=_form(told["schema"]),
        is_required=told.get("required", False),
    )


def _of_body(told: Mapping[str, Any]) -> Iterator[Parameter]:
    if "requestBody" not in told:
        return
    reference = told["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = spec.current()["components"]["schemas"][reference.rpartition("/")[2]]
    for name, field in schema["properties"].items():
        yield Parameter(name, field.get("description", ""), _form(field), name in schema["required"])


def _form(schema: Mapping[str, Any]) -> str:
    """Return which values there are, in French."""
    if "anyOf" in schema:
        return _form(schema["anyOf"][0])
    if "enum" in schema:
        return " ou ".join(schema["enum"])
    if schema["type"] == "array":
        return f"liste : {_form(schema['items'])}"
    if schema["type"] == "integer" and schema["maximum"] < ID_MAX:
        return f"de {schema['minimum']} à {schema['maximum']}"
    if "minLength" in schema:
        return f"{schema['minLength']} à {schema['maxLength']} caractères"
    return _SIMPLE[schema.get("format", schema["type"])]
