"""A test client whose requests share nothing with the test but cookies and the database, as in real life."""

from contextvars import Context
from typing import Any

from flask import has_app_context
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from marketplace.extensions import db


class AsRead:
    """A page as it is read: nobody sees which spaces may not break."""

    def get_data(self, as_text: bool = False) -> Any:
        data = super().get_data(as_text)  # type: ignore[misc]
        if not as_text or self.mimetype != "text/html":  # type: ignore[attr-defined]
            return data
        return data.replace("\u00a0", " ").replace("\u202f", " ")


class SeparateClient(FlaskClient):
    """Run each request outside the test's application context.

    Inside it, Flask would share `g` (so the person logged in first stays so) and the database session.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.response_wrapper = type("ResponseAsRead", (AsRead, self.response_wrapper), {})

    def open(self, *args: object, **kwargs: object) -> TestResponse:
        if (
            has_app_context()
        ):  # a redirect that is followed comes from a request, which has none of the test's
            db.session.rollback()  # the test holds no lock, and reads afresh afterwards
        kwargs.setdefault("buffered", True)  # a body that is sent while it is made is made in there too
        # An answer that is streamed reads the database until its end: that is part of the request.
        return Context().run(super().open, *args, **{"buffered": True, **kwargs})
