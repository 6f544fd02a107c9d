"""The page that explains the API to people."""

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

bp = Blueprint("api_docs", __name__)


@bp.get("/api")
def show() -> ResponseReturnValue:
    return render_template("api/docs.html", base=url_for("api_docs.show", _external=True))
