from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.services import team
from marketplace.services.errors import FieldError, TokenExpired
from marketplace.web.forms import form_page
from marketplace.web.team.forms import InviteForm, RoleForm

bp = Blueprint("team", __name__)

GONE = 410


@bp.get("/territoires/<siren>/equipe")
@login_required
def show(siren: str) -> ResponseReturnValue:
    return _page(siren, InviteForm(formdata=None))


@bp.post("/territoires/<siren>/equipe/inviter")
@login_required
def invite(siren: str) -> ResponseReturnValue:
    form = InviteForm()
    if form.validate_on_submit():
        try:
            team.invite(siren, form.email.data, form.role.data, by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash(f"L’invitation est partie à {form.email.data}.", "success")
            return redirect(url_for(".show", siren=siren))
    return _page(siren, form)


@bp.post("/territoires/<siren>/equipe/invitations/<int:invitation_id>/retirer")
@login_required
def withdraw(siren: str, invitation_id: int) -> ResponseReturnValue:
    team.withdraw(siren, invitation_id, by=current_user)
    flash("L’invitation est retirée : son lien ne sert plus.", "success")
    return redirect(url_for(".show", siren=siren))


@bp.post("/territoires/<siren>/equipe/<int:user_id>/role")
@login_required
def change_role(siren: str, user_id: int) -> ResponseReturnValue:
    form = RoleForm()
    if form.validate_on_submit():
        try:
            team.change_role(siren, user_id, form.role.data, by=current_user)
        except FieldError as error:
            flash(error.message, "error")
        else:
            flash("Le rôle est changé, et la personne est prévenue.", "success")
        return redirect(url_for(".show", siren=siren))
    return _page(siren, InviteForm(formdata=None))


@bp.post("/territoires/<siren>/equipe/<int:user_id>/retirer")
@login_required
def remove(siren: str, user_id: int) -> ResponseReturnValue:
    try:
        team.remove(siren, user_id, by=current_user)
    except FieldError as error:
        flash(error.message, "error")
        return redirect(url_for(".show", siren=siren))
    if user_id == current_user.id:
        flash("Vous ne faites plus partie de l’équipe.", "success")
        return redirect(url_for("directory.territory", siren=siren))
    flash("C’est fait, et la personne est prévenue.", "success")
    return redirect(url_for(".show", siren=siren))


@bp.get("/invitation/<token>")
def invitation(token: str) -> ResponseReturnValue:
    """A button accepts, not the link alone; whoever has no account yet opens one first and comes back."""
    try:
        return render_template("team/invitation.html", invitation=team.read_invitation(token), token=token)
    except TokenExpired:
        return render_template("team/expired.html"), GONE


@bp.post("/invitation/<token>")
@login_required
def accept(token: str) -> ResponseReturnValue:
    try:
        held = team.accept(token, by=current_user)
    except TokenExpired:
        return render_template("team/expired.html"), GONE
    flash("Bienvenue dans l’équipe !", "success")
    return redirect(url_for(".show", siren=held.territory_siren))


def _page(siren: str, form: InviteForm) -> ResponseReturnValue:
    return form_page("team/show.html", form, team=team.show(siren, by=current_user))
