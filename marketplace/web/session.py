"""Who is on the other end: the logged-in person of the request."""

from flask import Flask

from marketplace.extensions import db, login_manager
from marketplace.models import User


def init_app(app: Flask) -> None:
    login_manager.login_view = "accounts.login"
    login_manager.login_message = "Connectez-vous pour continuer."
    login_manager.login_message_category = "info"
    login_manager.user_loader(_load)


def _load(key: str) -> User | None:
    identity, _, version = key.partition(".")
    user = db.session.get(User, int(identity)) if identity.isdigit() else None
    return user if user and str(user.session_version) == version else None
