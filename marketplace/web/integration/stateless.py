"""Pages that other sites and programs read have no session: nothing is read from its cookie, none is set."""

from flask import Flask, Request, Response
from flask import request as flask_request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin

STATELESS = ("/widget/", "/flux/", "/sitemap")


class SessionInterface(SecureCookieSessionInterface):
    """Flask's sessions; for the addresses of STATELESS an empty one that is thrown away."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if request.path.startswith(STATELESS):
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not flask_request.path.startswith(STATELESS):
            super().save_session(app, session, response)


def init_app(app: Flask) -> None:
    app.session_interface = SessionInterface()
