from flask import Blueprint, Response, make_response, render_template, request, send_file
from flask.typing import ResponseReturnValue

from marketplace.services import open_data
from marketplace.services.open_data_tables import TABLES
from marketplace.services.roll_up import SMALLEST

bp = Blueprint("open_data", __name__)

FILE_MAX_AGE = 3600  # seconds


@bp.get("/donnees")
def show() -> ResponseReturnValue:
    """What may be reused: files, columns, how they are made anonymous, the licence."""
    return render_template(
        "open_data/show.html",
        dump=open_data.latest(),
        tables=TABLES,
        smallest=SMALLEST,
        licence=open_data.LICENCE,
    )


@bp.get("/donnees/<name>")
def file(name: str) -> Response:
    """One file of the newest dump, known by its checksum."""
    path, known = open_data.path_of(name)
    response = make_response(send_file(path, as_attachment=True, download_name=name, etag=known.sha256))
    response.cache_control.public = True
    response.cache_control.max_age = FILE_MAX_AGE
    # Anybody's page may read open data.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.make_conditional(request)
    return response
