"""Who is on the other end: the logged-in person of the request."""

import re

from flask import Flask, request
from flask_login import current_user

from marketplace.extensions import db, login_manager
from marketplace.models import User
from marketplace.services import rights
from marketplace.web.converters import ID_MAX

# How the addresses begin that need a role in a territory or the nation's, as routes are written.
DESK = ("/moderation", "/administration", "/territoires/<siren>/")


def init_app(app: Flask) -> None:
    login_manager.login_view = "accounts.login"
    login_manager.login_message = "Connectez-vous pour continuer."
    login_manager.login_message_category = "info"
    login_manager.user_loader(find_user)
    app.jinja_env.globals.update(is_moderator=_is_moderator, moderates=_moderates, heads=_heads)


def find_user(key: str) -> User | None:
    """Return the person of a session's mark (User.get_id), unless it is of before their password changed."""
    found = re.fullmatch(r"([0-9]{1,10})\.([0-9]{1,10})", key)
    if found is None or int(found[1]) > ID_MAX:
        return None
    user = db.session.get(User, int(found[1]))
    return user if user and user.get_id() == key else None


def waits_for_second_factor() -> bool:
    """Say whether the desk refuses the person only because their role sleeps (rights.lacks_second_factor)."""
    at_desk = request.url_rule is not None and request.url_rule.rule.startswith(DESK)
    return at_desk and current_user.is_authenticated and rights.lacks_second_factor(current_user)


def _is_moderator() -> bool:
    """Also while their role sleeps: the desk then leads to what wakes it."""
    return bool(current_user.is_authenticated and rights.holds_role(current_user))


def _heads(siren: str) -> bool:
    return bool(current_user.is_authenticated and rights.heads(current_user, siren))


def _moderates(siren: str | None) -> bool:
    return bool(current_user.is_authenticated and rights.moderates(current_user, siren))
