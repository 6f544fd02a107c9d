"""Every refusal becomes its page here: the right status and one French sentence that says what to do."""

from flask import Flask, Response, current_app, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from marketplace.extensions import db
from marketplace.services import errors
from marketplace.web.session import waits_for_second_factor

HTTP_MESSAGES: dict[int, tuple[str, str]] = {
    400: (
        "Demande illisible",
        "Cette adresse ou ce formulaire contient des caractères que nous ne pouvons pas lire.",
    ),
    401: ("Connexion nécessaire", "Connectez-vous pour voir cette page."),
    403: ("Accès refusé", "Vous n’avez pas le droit de faire cela."),
    404: ("Page introuvable", "Cette page n’existe pas, ou n’est pas visible pour vous."),
    405: ("Action impossible", "Cette adresse ne s’ouvre pas de cette façon."),
    410: ("Lien périmé", "Ce lien n’est plus valable : il a déjà servi ou il est trop ancien."),
    413: ("Envoi trop lourd", "Ce que vous envoyez dépasse 4 Mo."),
    429: (
        "Trop d’essais",
        "Vous avez fait beaucoup d’essais. Attendez quelques minutes avant de recommencer.",
    ),
    503: ("Service momentanément indisponible", "Le site est très sollicité. Réessayez dans une minute."),
}
DEFAULT_MESSAGE = ("Une erreur est survenue", "Ce n’est pas de votre fait. L’équipe est prévenue.")

SERVICE_MESSAGES: dict[type[Exception], tuple[int, str, str]] = {
    errors.NotFound: (404, *HTTP_MESSAGES[404]),
    errors.NotAllowed: (403, *HTTP_MESSAGES[403]),
    errors.TokenExpired: (410, *HTTP_MESSAGES[410]),
    errors.CapacityReached: (
        409,
        "Toutes les places sont prises",
        "Ce savoir-faire n’a plus de place libre pour le moment. D’autres proposent peut-être le même.",
    ),
    errors.AlreadyMatched: (
        409,
        "Ce besoin est déjà en relation",
        "Une mise en relation est déjà en cours pour ce besoin. Attendez qu’elle se termine.",
    ),
    errors.PairRefused: (
        409,
        "Mise en relation impossible",
        "Ces deux annonces ont déjà été mises en relation, ou l’une des structures a décliné.",
    ),
    errors.PairExcluded: (
        409,
        "Ces deux annonces ne vont pas ensemble",
        "La compétence, le niveau, le lieu ou la distance ne correspondent pas.",
    ),
    errors.AlreadyDecided: (
        409,
        "Déjà décidé",
        "Quelqu’un d’autre a traité cette annonce entre-temps : rien n’a été changé.",
    ),
    errors.OutsideSilent: (
        503,
        "Un service extérieur ne répond pas",
        "Un service public dont nous avons besoin ici ne répond pas. Réessayez dans quelques minutes.",
    ),
    errors.InvalidTransition: (
        409,
        "Ce n’est plus possible",
        "L’état a changé entre-temps : revenez à la page précédente et rechargez-la.",
    ),
}


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(errors.TooManyAttempts, _too_many)
    app.register_error_handler(OperationalError, _busy)
    for kind in SERVICE_MESSAGES:
        app.register_error_handler(kind, _service)
    app.register_error_handler(500, _unexpected)


def page(status: int, title: str, message: str) -> Response:
    told = {"status": status, "title": title, "message": message}
    if status < 500:  # noqa: PLR2004
        return make_response(render_template("errors/error.html", **told), status)
    # render_template() would ask the database who reads, and it may be what does not answer.
    return make_response(current_app.jinja_env.get_template("errors/error.html").render(**told), status)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:  # noqa: PLR2004
        return error.get_response()  # type: ignore[return-value]
    response = page(status, *HTTP_MESSAGES.get(status, DEFAULT_MESSAGE))
    if status == 405 and getattr(error, "valid_methods", None):  # noqa: PLR2004
        response.headers["Allow"] = ", ".join(error.valid_methods)  # type: ignore[attr-defined]
    return response


def _csrf(_error: CSRFError) -> Response:
    return page(
        400,
        "La page a expiré",
        "Revenez à la page précédente, rechargez-la et envoyez de nouveau : c’est une protection.",
    )


def _service(error: Exception) -> ResponseReturnValue:
    db.session.rollback()
    if isinstance(error, errors.NotAllowed | errors.NotFound) and waits_for_second_factor():
        return redirect(url_for("accounts.second_factor"))
    status, title, message = next(
        SERVICE_MESSAGES[kind] for kind in type(error).__mro__ if kind in SERVICE_MESSAGES
    )
    return page(status, title, message)


def _too_many(error: errors.TooManyAttempts) -> Response:
    response = page(429, *HTTP_MESSAGES[429])
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _busy(_error: OperationalError) -> Response:
    """The database is locked, restarting, or broke a deadlock: the person can send again."""
    db.session.rollback()
    response = page(503, *HTTP_MESSAGES[503])
    response.headers["Retry-After"] = "60"
    return response


def _unexpected(_error: Exception) -> Response:
    db.session.rollback()
    return page(500, *DEFAULT_MESSAGE)
