from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from marketplace.web.directory import filters

bp = Blueprint("search", __name__)


@bp.get("/recherche")
def results() -> ResponseReturnValue:
    return filters.page("search/results.html", filters.read(request.args))
