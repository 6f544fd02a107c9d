"""Every refusal of the API as a problem (RFC 9457), in one place."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from apiflask import APIBlueprint, HTTPError
from flask import Response, current_app, request
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from marketplace.api.schemas import FieldProblem, Problem
from marketplace.extensions import db
from marketplace.services import errors, partners
from marketplace.services.listings import ListingOver


class Unknown(errors.NotFound):
    """A parameter names something that does not exist."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


MIMETYPE = "application/problem+json"
SERVER_ERROR = 500
# What each status means here: a title, and what to do.
STATUSES: dict[int, tuple[str, str]] = {
    400: ("Demande illisible", "L’adresse, le curseur, un en-tête ou le corps ne se lit pas."),
    401: ("Jeton nécessaire", "Donnez un jeton valable : « Authorization: Bearer … »."),
    403: ("Non autorisé", "Ce jeton ne permet pas de faire cela."),
    404: ("Introuvable", "Rien à cette adresse, ou rien qui soit public."),
    405: ("Méthode impossible", "Cette adresse ne s’utilise pas ainsi : voyez l’en-tête Allow."),
    406: ("Format impossible", "L’API ne répond qu’en application/json."),
    409: ("Conflit", "L’état de l’annonce ne le permet plus."),
    410: ("Terminée", "Cette annonce était en ligne et ne l’est plus."),
    413: ("Corps trop lourd", "64 Kio au plus."),
    415: ("Format inconnu", "Envoyez du JSON : « Content-Type: application/json »."),
    422: ("Valeurs refusées", "Corrigez ce que dit « errors »."),
    429: ("Trop de demandes", "Attendez le temps que dit l’en-tête Retry-After."),
    500: ("Erreur", "Ce n’est pas de votre fait."),
    503: ("Service momentanément indisponible", "Réessayez dans une minute."),
}
SERVICE_STATUSES: dict[type[Exception], int] = {
    errors.NotFound: 404,
    ListingOver: 410,
    errors.NotAllowed: 403,
    errors.TokenExpired: 400,  # of a cursor
    errors.CapacityReached: 409,
    errors.AlreadyMatched: 409,
    errors.AlreadyDecided: 409,
    errors.InvalidTransition: 409,
    partners.BadToken: 401,
    partners.KeyReused: 422,
    partners.KeyUnderWay: 409,
}
# Where one status has several reasons, what this one means.
DETAILS: dict[type[Exception], str] = {
    partners.NoConsent: "Aucune structure de votre territoire avec ce SIRET ne vous a donné son accord. "
    "Sa ou son responsable le donne dans « Mon espace ».",
    partners.KeyReused: "Cette Idempotency-Key a déjà servi pour une autre demande.",
    partners.KeyUnderWay: "La même demande est en cours : attendez, puis renvoyez-la.",
}
# pydantic's messages that a caller can meet; {} are its own context.
_FRENCH = {
    "missing": "Ce champ est nécessaire.",
    "extra_forbidden": "Ce nom n’est pas connu ici.",
    "int_type": "Un nombre entier est attendu.",
    "int_parsing": "Un nombre entier est attendu.",
    "int_from_float": "Un nombre entier est attendu.",
    "bool_type": "true ou false est attendu.",
    "bool_parsing": "true ou false est attendu.",
    "string_type": "Un texte est attendu.",
    "string_unicode": "Ce texte ne se lit pas.",
    "string_too_short": "{min_length} caractères au moins.",
    "string_too_long": "{max_length} caractères au plus.",
    "string_pattern_mismatch": "Ce n’est pas de la forme attendue : {pattern}",
    "greater_than_equal": "{ge} au moins.",
    "less_than_equal": "{le} au plus.",
    "literal_error": "Une de ces valeurs est attendue : {expected}.",
    "list_type": "Une liste est attendue.",
    "too_short": "{min_length} au moins.",
    "too_long": "{max_length} au plus.",
    "date_from_datetime_parsing": "Une date est attendue, comme 2026-11-24.",
    "date_parsing": "Une date est attendue, comme 2026-11-24.",
    "model_type": "Un objet JSON est attendu.",
    "value_error": "{error}",
}
_OTHERWISE = "Cette valeur n’est pas possible."


def answer(
    status: int,
    detail: str = "",
    *,
    fields: Sequence[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the problem of a status; `detail` where more can be said than what the status means."""
    title, usual = STATUSES.get(status) or (HTTPStatus(status).phrase, STATUSES[SERVER_ERROR][1])
    problem = Problem(
        type=f"{current_app.config['PUBLIC_URL']}/api#erreur-{status}",
        title=title,
        status=status,
        detail=detail or usual,
        instance=quote(request.path),  # a URI reference
        errors=list(fields) if fields else None,
    )
    response = Response(problem.model_dump_json(exclude_none=True), status, mimetype=MIMETYPE)
    response.headers.extend(headers or {})
    return response


def wrong(field: str, message: str) -> Response:
    """Return the problem of one field."""
    return answer(422, fields=[FieldProblem(field=field, message=message)])


def handle_all(blueprint: APIBlueprint) -> None:
    """Answer by problems whatever goes wrong in the blueprint."""
    blueprint.register_error_handler(HTTPException, _http)
    blueprint.register_error_handler(HTTPError, _refused_by_library)
    blueprint.register_error_handler(errors.FieldError, _field)
    blueprint.register_error_handler(Unknown, _unknown)
    blueprint.register_error_handler(errors.TooManyAttempts, _too_many)
    blueprint.register_error_handler(OperationalError, _busy)
    blueprint.register_error_handler(RecursionError, _too_deep)
    for kind in SERVICE_STATUSES:
        blueprint.register_error_handler(kind, _service)
    blueprint.register_error_handler(500, _unexpected)


def _http(error: HTTPException) -> Response:
    status = error.code or SERVER_ERROR
    if status < 400:  # noqa: PLR2004
        return error.get_response()  # type: ignore[return-value]
    return answer(status)


def _refused_by_library(error: HTTPError) -> Response:
    """APIFlask wraps what pydantic refused: its own words say more than the library's summary."""
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return answer(error.status_code)
    if "headers" in error.detail:  # the key is all that is asked of them
        return answer(400, "L’en-tête Idempotency-Key est nécessaire : 1 à 64 caractères visibles.")
    found = cause.errors(include_url=False, include_input=False)
    return answer(422, fields=[_said(one) for one in found if one["type"] != "none_required"])


def _said(error: ErrorDetails) -> FieldProblem:
    message = _FRENCH.get(error["type"], _OTHERWISE)
    context: dict[str, Any] = error.get("ctx", {})
    # Past the name of the field, pydantic says which kind of value it tried; only a place in a list helps.
    name, *within = error["loc"] or ("",)
    field = ".".join(str(part) for part in (name, *within) if part is name or isinstance(part, int))
    return FieldProblem(field=field, message=message.format_map(context))


def _field(error: errors.FieldError) -> Response:
    db.session.rollback()
    return wrong(error.field, error.message)


def _unknown(error: Unknown) -> Response:
    return answer(404, fields=[FieldProblem(field=error.field, message="Inconnu dans le référentiel.")])


def _too_many(error: errors.TooManyAttempts) -> Response:
    return answer(429, headers={"Retry-After": str(error.retry_after)})


def _busy(_error: OperationalError) -> Response:
    db.session.rollback()
    return answer(503, headers={"Retry-After": "60"})


def _too_deep(_error: RecursionError) -> Response:
    return answer(400, "Ce JSON est trop profond.")


def _service(error: Exception) -> Response:
    db.session.rollback()
    status = next(SERVICE_STATUSES[kind] for kind in type(error).__mro__ if kind in SERVICE_STATUSES)
    return answer(status, DETAILS.get(type(error), ""))


def _unexpected(_error: Exception) -> Response:
    db.session.rollback()
    return answer(SERVER_ERROR)
