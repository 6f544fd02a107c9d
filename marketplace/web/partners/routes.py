from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import Scope
from marketplace.services import partners
from marketplace.services.errors import FieldError
from marketplace.web.forms import form_page
from marketplace.web.partners.forms import IssueForm

bp = Blueprint("partners", __name__)

ANSWERS = {"accepter": True, "retirer": False}


@bp.get("/territoires/<siren>/partenaires")
@login_required
def index(siren: str) -> ResponseReturnValue:
    """The partners of a territory and their tokens, and the form that gives one."""
    return _page(siren, IssueForm(formdata=None))


@bp.post("/territoires/<siren>/partenaires")
@login_required
def issue(siren: str) -> ResponseReturnValue:
    """Give a token. Its secret is on the page that answers, and nowhere else."""
    form = IssueForm()
    partners.of_territory(siren, by=current_user)
    if form.validate_on_submit():
        scopes = [Scope(value) for value in form.scopes.data]
        try:
            issued = partners.issue(
                siren, name=form.name.data, scopes=scopes, days=form.days.data, by=current_user
            )
        except FieldError as error:
            form.add_error(error)
        else:
            return _page(siren, IssueForm(formdata=None), secret=issued.secret, name=form.name.data)
    return _page(siren, form)


@bp.post("/territoires/<siren>/partenaires/jetons/<int:token_id>/retirer")
@login_required
def revoke(siren: str, token_id: int) -> ResponseReturnValue:
    partners.revoke(siren, token_id, by=current_user)
    flash("C’est fait : ce jeton ne permet plus rien.", "success")
    return redirect(url_for(".index", siren=siren))


@bp.get("/mon-espace/structure/<int:organisation_id>/partenaires")
@login_required
def consents(organisation_id: int) -> ResponseReturnValue:
    """Who may publish for a structure."""
    return render_template("partners/consents.html", held=partners.consents(organisation_id, by=current_user))


@bp.post("/mon-espace/structure/<int:organisation_id>/partenaires/<int:partner_id>")
@login_required
def consent(organisation_id: int, partner_id: int) -> ResponseReturnValue:
    given = ANSWERS.get(request.form.get("reponse", ""))
    if given is None:
        abort(400)
    partners.consent(organisation_id, partner_id, given=given, by=current_user)
    flash("C’est noté.", "success")
    return redirect(url_for(".consents", organisation_id=organisation_id))


def _page(siren: str, form: IssueForm, **issued: str) -> ResponseReturnValue:
    held = partners.of_territory(siren, by=current_user)
    return form_page("partners/index.html", form, held=held, **issued)
