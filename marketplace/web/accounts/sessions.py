"""Opening a session, whatever way somebody proved who they are; a second step first where one is set up."""

from dataclasses import asdict, dataclass

from flask import redirect, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_user, logout_user

from marketplace import clock
from marketplace.models import User

HOME = "matches.space"
MAILED_TO = "mailed_to"
_WAITING = "second_step"
_WAITS_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who passed the first step. `key`: User.get_id of then; `then`: the page they want."""

    key: str
    remember: bool
    then: str
    since: int


def log_in(user: User, *, remember: bool = False, then: str = "") -> ResponseReturnValue:
    """Open the session and go on to `then`, or ask for the second step first."""
    if user.second_factor_at is None:
        open_for(user, remember=remember)
        return redirect(then or url_for(HOME))
    session[_WAITING] = asdict(Waiting(user.get_id(), remember, then, _now()))
    return redirect(url_for("accounts.second_step"))


def open_for(user: User, *, remember: bool = False) -> None:
    """Log in with a new anti-forgery token: one planted before must not serve after."""
    logout_user()
    for name in ("csrf_token", MAILED_TO, _WAITING):
        session.pop(name, None)
    login_user(user, remember=remember)


def waiting() -> Waiting | None:
    """Return who has still to take the second step on this browser."""
    kept = session.get(_WAITING)
    found = Waiting(**kept) if kept else None
    return found if found and _now() - found.since <= _WAITS_SECONDS else None


def _now() -> int:
    return int(clock.now().timestamp())
