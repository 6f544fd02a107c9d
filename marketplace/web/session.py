"""Who is on the other end: the logged-in person of the request."""

from flask import Flask
from flask_login import current_user

from marketplace.extensions import db, login_manager
from marketplace.models import User
from marketplace.services import rights


def init_app(app: Flask) -> None:
    login_manager.login_view = "accounts.login"
    login_manager.login_message = "Connectez-vous pour continuer."
    login_manager.login_message_category = "info"
    login_manager.user_loader(_load)
    app.jinja_env.globals.update(is_moderator=_is_moderator, moderates=_moderates)


def _load(key: str) -> User | None:
    identity, _, version = key.partition(".")
    user = db.session.get(User, int(identity)) if identity.isdigit() else None
    return user if user and str(user.session_version) == version else None


def _is_moderator() -> bool:
    return bool(current_user.is_authenticated and rights.is_moderator(current_user))


def _moderates(siren: str | None) -> bool:
    return bool(current_user.is_authenticated and rights.moderates(current_user, siren))
