from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.services import administration, rights, territories, two_factor
from marketplace.services.errors import FieldError
from marketplace.web.admin.forms import OpeningForm, ResetForm
from marketplace.web.forms import form_page

bp = Blueprint("admin", __name__)

EMAIL_MAX = 254


@bp.get("/administration")
@login_required
def home() -> ResponseReturnValue:
    rights.require_administrator(current_user)
    return render_template("admin/home.html")


@bp.route("/administration/territoires/ouvrir", methods=["GET", "POST"])
@login_required
def open_territory() -> ResponseReturnValue:
    """Search first, by the address; then one form opens what was found."""
    text = request.args.get("nom", "").strip()
    found = administration.territories_to_open(text, by=current_user)
    form = OpeningForm(found)
    if form.validate_on_submit():
        siren = form.territory.data
        try:
            territories.open_with_head(siren, mode=form.mode.data, head=form.email.data, by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash(f"Le territoire est ouvert, et l’invitation est partie à {form.email.data}.", "success")
            return redirect(url_for("team.show", siren=siren))
    return form_page("admin/open_territory.html", form, text=text, found=found)


@bp.get("/administration/comptes")
@login_required
def accounts() -> ResponseReturnValue:
    return _accounts_page(ResetForm(formdata=None))


@bp.post("/administration/comptes/<int:user_id>/validation-en-deux-etapes")
@login_required
def reset_second_factor(user_id: int) -> ResponseReturnValue:
    rights.require_administrator(current_user)
    form = ResetForm()
    if form.validate_on_submit():
        user = two_factor.reset(user_id, by=current_user, reason=form.reason.data)
        flash(f"C’est fait : {user.name} est prévenu par mail.", "success")
        return redirect(url_for(".accounts", mail=user.email))
    return _accounts_page(form)


def _accounts_page(form: ResetForm) -> ResponseReturnValue:
    email = request.args.get("mail", "").strip()[:EMAIL_MAX]
    person = administration.person(email, by=current_user)
    return form_page("admin/accounts.html", form, email=email, person=person)
