import json

from flask import Blueprint, flash, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required, logout_user

from marketplace.services import personal_data
from marketplace.services.errors import FieldError
from marketplace.web.forms import INVALID_STATUS, BaseForm
from marketplace.web.personal_data.forms import DeleteForm, ExportForm

bp = Blueprint("personal_data", __name__)


@bp.get("/mon-espace/mes-donnees")
@login_required
def show() -> ResponseReturnValue:
    return _page(ExportForm(formdata=None), DeleteForm(formdata=None))


@bp.post("/mon-espace/mes-donnees/emporter")
@login_required
def export() -> ResponseReturnValue:
    """Give the person's data as a file, against their password."""
    form = ExportForm()
    if not (form.validate() and _is_theirs(form)):
        return _page(form, DeleteForm(formdata=None))
    told = json.dumps(personal_data.export(current_user), ensure_ascii=False, indent=2)
    response = make_response(told)
    response.mimetype = "application/json"
    response.headers["Content-Disposition"] = 'attachment; filename="mes-donnees.json"'
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.post("/mon-espace/mes-donnees/effacer")
@login_required
def delete() -> ResponseReturnValue:
    form = DeleteForm()
    if not (form.validate() and _is_theirs(form)):
        return _page(ExportForm(formdata=None), form)
    try:
        personal_data.delete_account(current_user)
    except FieldError as error:
        form.add_error(error)
        return _page(ExportForm(formdata=None), form)
    logout_user()
    session.clear()
    flash("Votre compte est effacé. Un dernier mail vous le confirme.", "success")
    return redirect(url_for("public.home"))


def _is_theirs(form: ExportForm | DeleteForm) -> bool:
    try:
        personal_data.require_password(current_user, form.password.data, address=request.remote_addr or "")
    except FieldError as error:
        form.add_error(error)
        return False
    return True


def _page(export_form: BaseForm, delete_form: BaseForm) -> ResponseReturnValue:
    wrong = export_form.errors or delete_form.errors
    return (
        render_template("personal_data/show.html", export_form=export_form, delete_form=delete_form),
        INVALID_STATUS if wrong else 200,
    )
