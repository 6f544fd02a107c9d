from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.services import rights

bp = Blueprint("admin", __name__)


@bp.get("/administration")
@login_required
def home() -> ResponseReturnValue:
    rights.require_administrator(current_user)
    return render_template("admin/home.html")
