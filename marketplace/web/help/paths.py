from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import PathStep
from marketplace.services import paths

bp = Blueprint("paths", __name__, url_prefix="/mon-parcours")

# How addresses call the steps.
STEPS = {"echange": PathStep.EXCHANGE, "apprendre": PathStep.LEARN, "prestataire": PathStep.PROVIDER}


@bp.get("/<int:listing_id>")
@login_required
def show(listing_id: int) -> ResponseReturnValue:
    path = paths.show(listing_id, by=current_user)
    return render_template("help/path.html", path=path, names={step: name for name, step in STEPS.items()})


@bp.post("/<int:listing_id>/<step>")
@login_required
def tick(listing_id: int, step: str) -> ResponseReturnValue:
    if step not in STEPS:
        abort(404)
    done = request.form.get("fait") == "oui"
    paths.tick(listing_id, STEPS[step], done=done, by=current_user)
    flash("C’est noté." if done else "Cette étape est de nouveau à faire.", "success")
    return redirect(url_for(".show", listing_id=listing_id, _anchor=step))
