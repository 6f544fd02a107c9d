"""Pages that other sites and programs read have no session: nothing is read from a cookie, none is set."""

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

STATELESS = ("/widget/", "/flux/", "/sitemap")


class SessionInterface(SecureCookieSessionInterface):
    """Flask's sessions, but for the addresses of STATELESS."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        # None becomes a session that refuses to be written and is never saved.
        return None if request.path.startswith(STATELESS) else super().open_session(app, request)


def init_app(app: Flask) -> None:
    app.session_interface = SessionInterface()
