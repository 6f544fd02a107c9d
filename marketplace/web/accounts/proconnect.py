"""Logging in with ProConnect: off unless its settings are there."""

from dataclasses import asdict

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from marketplace.adapters import http, proconnect
from marketplace.adapters.proconnect import Attempt, ProConnectConfig
from marketplace.services import identities, throttle, tokens
from marketplace.services.errors import FieldError
from marketplace.services.identities import Place
from marketplace.services.mailer import public_url
from marketplace.web import returning
from marketplace.web.accounts import sessions

bp = Blueprint("proconnect", __name__)

DOWN = (
    "ProConnect ne répond pas pour le moment. Connectez-vous avec votre mot de passe, ou réessayez plus tard."
)
REFUSED = "La connexion avec ProConnect n’a pas abouti. Réessayez, ou connectez-vous avec votre mot de passe."
TOLD = {
    Place.ASKED: "Nous avons demandé pour vous à rejoindre votre structure : vous recevrez un mail.",
    Place.TO_CREATE: "Votre structure n’est pas encore inscrite : vérifiez ce que nous savons d’elle.",
}
# What the browser keeps: of a login under way, and of one that ProConnect must end too.
_ATTEMPT, _ID_TOKEN, _END = "proconnect_attempt", "proconnect_id_token", "proconnect_end"
# A cookie holds 4 kB: a longer token is not kept, and ProConnect's session then ends by itself.
_TOKEN_MAX = 2000


@bp.get("/connexion/proconnect")
def start() -> ResponseReturnValue:
    config = _config()
    throttle.count_attempt(f"proconnect:{request.remote_addr or ''}", limit=60, seconds=tokens.HOUR)
    try:
        url, attempt = proconnect.begin(public_url("proconnect.back"), config)
    except (http.Unavailable, proconnect.Refused) as error:
        return _refuse(DOWN, error)
    session[_ATTEMPT] = {**asdict(attempt), "then": returning.wanted()}
    return redirect(url)


@bp.get("/connexion/proconnect/retour")
def back() -> ResponseReturnValue:
    """Where ProConnect sends the browser back."""
    config = _config()
    kept = session.pop(_ATTEMPT, None)
    if kept is None:
        return _refuse(REFUSED, "no attempt in this browser")
    then = kept.pop("then")
    try:
        claims = proconnect.finish(
            request.args.to_dict(), Attempt(**kept), public_url("proconnect.back"), config
        )
        arrival = identities.log_in(claims)
    except http.Unavailable as error:
        return _refuse(DOWN, error)
    except proconnect.Refused as error:
        return _refuse(REFUSED, error)
    except FieldError as error:
        return _refuse(error.message, error)
    if arrival.place in TOLD:
        flash(TOLD[arrival.place], "info")
    if arrival.place is Place.TO_CREATE:
        then = url_for("organisations.create", siret=arrival.siret, suite=then or None)
    response = sessions.log_in(arrival.user, then=then)
    if len(claims.id_token) <= _TOKEN_MAX:
        session[_ID_TOKEN] = claims.id_token
    return response


@bp.get("/deconnexion/proconnect")
def end() -> ResponseReturnValue:
    """Offer to leave ProConnect as well, by a link: a form may not lead to another site."""
    url = session.pop(_END, None)
    if url is None:
        return redirect(url_for("public.home"))
    return render_template("accounts/proconnect_end.html", url=url)


def remember_to_end(id_token: str | None) -> bool:
    """Keep, after logging out, where ProConnect's own session ends. Says whether there is such a place."""
    config = proconnect.from_config(current_app.config)
    if config is None or not id_token:
        return False
    url = proconnect.logout_url(id_token, public_url("public.home"), config)
    if url is not None:
        session[_END] = url
    return url is not None


def id_token() -> str | None:
    """Return what proves to ProConnect whose session is to end."""
    return session.get(_ID_TOKEN)


def _config() -> ProConnectConfig:
    return proconnect.from_config(current_app.config) or abort(404)


def _refuse(message: str, reason: object) -> ResponseReturnValue:
    current_app.logger.warning("proconnect: %s", reason)
    flash(message, "error")
    return redirect(url_for("accounts.login"))
