"""What every exchange with the API has in common: limits, formats, CORS, ETag, errors of addresses."""

import hashlib
from typing import Any

from flask import Flask, Response, current_app, request, url_for
from pydantic import BaseModel
from werkzeug.exceptions import NotAcceptable, UnsupportedMediaType

from marketplace.api import problems
from marketplace.services import throttle, tokens
from marketplace.services.errors import FieldError

PREFIX = "/api/"
# What partners write is for servers, which know no CORS: no web page may use a token.
PARTNER_PREFIX = "/api/v1/partner/"
BODY_MAX = 64 * 1024
MINUTE = 60
OK, ERRORS = 200, 400
_CURSOR_LIFE = tokens.DAY


def init_app(app: Flask) -> None:
    app.after_request(_finish)


def limit_address() -> None:
    """Count what anybody asks. Raises TooManyAttempts."""
    if request.method == "OPTIONS":
        return
    limit = current_app.config["API_REQUESTS_PER_MINUTE"]
    throttle.count_attempt(f"api:{request.remote_addr}", limit=limit, seconds=MINUTE)


def check_format() -> None:
    """Refuse what no view would take: a format other than JSON, a body too big."""
    if request.method == "OPTIONS":
        return
    request.max_content_length = BODY_MAX
    if request.accept_mimetypes and not request.accept_mimetypes.accept_json:
        raise NotAcceptable
    if request.content_length and not request.is_json:
        raise UnsupportedMediaType


def respond(answer: BaseModel, *, include: Any = None, status: int = OK) -> Response:
    """Return the answer as JSON; `include`: only these fields, as pydantic takes it."""
    return Response(answer.model_dump_json(include=include), status, mimetype="application/json")


def only(fields: str, row: type[BaseModel]) -> Any:
    """Return what to include of a list when it was asked for. Raises FieldError for what rows do not have."""
    return {"data": {"__all__": _known(fields, row)}} if fields else None


def slice_of(answer: BaseModel, *, after: tuple[str | int, ...] | None, include: Any = None) -> Response:
    """Return one slice of a list; `after`: the mark where the next one starts, None for the last."""
    response = respond(answer, include=include)
    if after is not None:
        cursor = tokens.sign(_purpose(), *after)
        address = url_for(request.endpoint or "", _external=True, **{**request.args, "cursor": cursor})
        response.headers["Link"] = f'<{address}>; rel="next"'
    return response


def mark(cursor: str) -> list[str]:
    """Return the mark that a cursor holds, empty for the start. Raises TokenExpired when forged or old."""
    return tokens.read(_purpose(), cursor, max_age=_CURSOR_LIFE) if cursor else []


def _purpose() -> str:
    return f"cursor:{request.endpoint}"


def _known(fields: str, row: type[BaseModel]) -> set[str]:
    wanted = set(fields.split(","))
    if unknown := sorted(wanted - set(row.model_fields)):
        raise FieldError("fields", f"Champ inconnu : {', '.join(unknown)}.")
    return wanted


def _finish(response: Response) -> Response:
    if not request.path.startswith(PREFIX):
        return response
    if response.status_code >= ERRORS and response.mimetype != problems.MIMETYPE:
        response = _as_problem(response)
    if not request.path.startswith(PARTNER_PREFIX):
        _open_to_all(response.headers)
        if response.status_code == OK and request.method in ("GET", "HEAD"):
            _make_conditional(response)
    else:
        response.headers["Cache-Control"] = "no-store"
    return response


def _as_problem(page: Response) -> Response:
    """An address that no view answers ends in the error page of the site: say the same for programs."""
    kept = {name: page.headers[name] for name in ("Allow", "Retry-After") if name in page.headers}
    return problems.answer(page.status_code, headers=kept)


def _open_to_all(headers: Any) -> None:
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Access-Control-Expose-Headers"] = "Link, ETag, Retry-After"
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
        headers["Access-Control-Allow-Headers"] = "Accept, If-None-Match"
        headers["Access-Control-Max-Age"] = str(tokens.DAY)


def _make_conditional(response: Response) -> None:
    """What has not changed is not sent again; a cache asks each time, as a listing can end at any moment."""
    response.cache_control.no_cache = True
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.make_conditional(request)
