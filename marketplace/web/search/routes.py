from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.extensions import csrf
from marketplace.models import Frequency, SavedSearch
from marketplace.services import saved_searches
from marketplace.services.errors import FieldError
from marketplace.web.directory import filters

bp = Blueprint("search", __name__)

PICK_FREQUENCY = "Choisissez un rythme dans la liste."


@bp.get("/recherche")
def results() -> ResponseReturnValue:
    return filters.page("search/results.html", filters.read(request.args))


@bp.get("/mon-espace/recherches")
@login_required
def saved() -> ResponseReturnValue:
    """List the person's searches; one that the address holds is offered for saving."""
    asked = filters.read(request.args)
    searches = [(each, _results_url(each)) for each in saved_searches.mine(current_user)]
    return render_template("search/saved.html", searches=searches, asked=asked if asked.state else None)


@bp.post("/mon-espace/recherches")
@login_required
def save() -> ResponseReturnValue:
    asked = filters.read(request.args)
    try:
        saved_searches.save(asked.kind, asked.filters, by=current_user)
    except FieldError as error:
        flash(error.message, "error")
    else:
        flash("C’est enregistré : nous vous écrirons quand une nouvelle annonce correspond.", "success")
    return redirect(url_for(".saved"))


@bp.post("/mon-espace/recherches/<int:saved_id>")
@login_required
def change(saved_id: int) -> ResponseReturnValue:
    wanted = request.form.get("frequence", "")
    if wanted not in set(Frequency):
        flash(PICK_FREQUENCY, "error")
    else:
        saved_searches.change(saved_id, Frequency(wanted), by=current_user)
        flash("C’est enregistré.", "success")
    return redirect(url_for(".saved"))


@bp.post("/mon-espace/recherches/<int:saved_id>/supprimer")
@login_required
def remove(saved_id: int) -> ResponseReturnValue:
    saved_searches.remove(saved_id, by=current_user)
    flash("Cette recherche est supprimée.", "success")
    return redirect(url_for(".saved"))


@bp.route("/recherches/arreter/<token>", methods=["GET", "POST"])
@csrf.exempt  # a mail program sends the POST (RFC 8058): it has no session, and the token is the proof
def stop(token: str) -> ResponseReturnValue:
    """A button stops, not the link alone: programs that check mails open every link."""
    if request.method == "POST":
        saved_searches.stop(token)
        return render_template("search/stop.html", done=True)
    found = saved_searches.read_stop(token)
    is_over = found is None or found.frequency is Frequency.OFF
    return render_template("search/stop.html", done=is_over, saved=found, token=token)


def _results_url(saved_search: SavedSearch) -> str:
    """Return where its listings are; nowhere while it is about a structure that is not there."""
    values: dict[str, Any] = dict(saved_searches.address(saved_search))
    return url_for(".results", **values) if values else ""
