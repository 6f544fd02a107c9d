"""A test client whose requests share nothing with the test but cookies and the database, as in real life."""

from contextvars import Context

from flask import has_app_context
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from marketplace.extensions import db


class SeparateClient(FlaskClient):
    """Run each request outside the test's application context.

    Inside it, Flask would share `g` (so the person logged in first stays so) and the database session.
    """

    def open(self, *args: object, **kwargs: object) -> TestResponse:
        if (
            has_app_context()
        ):  # a redirect that is followed comes from a request, which has none of the test's
            db.session.rollback()  # the test holds no lock, and reads afresh afterwards
        kwargs.setdefault("buffered", True)  # a body that is sent while it is made is made in there too
        # An answer that is streamed reads the database until its end: that is part of the request.
        return Context().run(super().open, *args, **{"buffered": True, **kwargs})
