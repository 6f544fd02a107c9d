"""The OpenAPI 3.1 description: APIFlask makes it of the views, what holds for all of them is added here."""

from collections.abc import Iterator
from typing import Any, cast

from apiflask import APIFlask
from flask import current_app

from marketplace.api import problems
from marketplace.api.http import PARTNER_PREFIX
from marketplace.api.schemas import ID_MAX, Problem

_EXTENSION = "openapi"
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
# What any address may answer, then what those with a filter or a key may, a body, a token.
_ALWAYS, _CHOOSING, _SENDING, _PROVEN = (
    (406, 429, 500, 503),
    (400, 404, 410, 422),
    (409, 413, 415),
    (401, 403),
)
_HEADERS = {
    "ETag": {"description": "À renvoyer dans If-None-Match.", "schema": {"type": "string"}},
    "Link": {"description": 'Page suivante : rel="next".', "schema": {"type": "string"}},
}


def init_app(app: APIFlask) -> None:
    app.config.from_mapping(
        INFO={
            "description": "Besoins et savoir-faire numériques en ligne, sans donnée personnelle. "
            f"Documentation : {app.config['PUBLIC_URL']}/api",
            "license": {"name": "Licence Ouverte 2.0", "identifier": "etalab-2.0"},
        },
        SERVERS=[{"url": app.config["PUBLIC_URL"]}],
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        SUCCESS_DESCRIPTION="Réponse",
    )


def current() -> dict[str, Any]:
    """Return the description of this application, made at the first call."""
    made = current_app.extensions.get(_EXTENSION)
    if made is None:
        made = _complete(cast(dict[str, Any], cast(APIFlask, current_app).spec))
        current_app.extensions[_EXTENSION] = made
    return cast(dict[str, Any], made)


def _complete(spec: dict[str, Any]) -> dict[str, Any]:
    spec["components"]["schemas"]["Problem"] = Problem.model_json_schema(
        ref_template="#/components/schemas/{model}"
    )
    spec["components"]["schemas"] |= spec["components"]["schemas"]["Problem"].pop("$defs")
    for path, operations in spec["paths"].items():
        for operation in operations.values():
            _settle_parameters(operation)
            _add_headers(path, operation)
            operation["responses"] |= {
                str(status): {
                    "description": problems.STATUSES[status][0],
                    "content": {problems.MIMETYPE: {"schema": _PROBLEM}},
                }
                for status in _refusals(path, operation)
            }
    return spec


def _refusals(path: str, operation: dict[str, Any]) -> Iterator[int]:
    yield from _ALWAYS
    if operation["parameters"]:
        yield from _CHOOSING
    if "requestBody" in operation:
        yield from _SENDING
    if path.startswith(PARTNER_PREFIX):
        yield from _PROVEN


def _settle_parameters(operation: dict[str, Any]) -> None:
    """Say what APIFlask does not: bounds of ids in addresses; what is left out has no default « null »."""
    for parameter in operation["parameters"]:
        schema = parameter["schema"]
        if parameter["in"] == "path" and schema["type"] == "integer":
            schema |= {"minimum": 1, "maximum": ID_MAX}
        if "default" in schema and schema["default"] is None:
            del schema["default"]
        if description := schema.pop("description", None):
            parameter["description"] = description


def _add_headers(path: str, operation: dict[str, Any]) -> None:
    """Tell ETag and Link of what is open to all."""
    if path.startswith(PARTNER_PREFIX):
        return
    operation["responses"]["200"]["headers"] = _HEADERS
    operation["responses"]["304"] = {"description": "Rien n’a changé."}
