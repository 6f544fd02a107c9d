"""Templates of reasons: those of one's territory, and the nation's."""

from collections.abc import Sequence

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import Territory
from marketplace.services import reason_templates, rights
from marketplace.services.errors import FieldError
from marketplace.web.forms import form_page
from marketplace.web.moderation.forms import TemplateForm
from marketplace.web.moderation.routes import bp

NATION = "national"
ARCHIVE = {"archiver": True, "reprendre": False}


@bp.get("/moderation/motifs")
@login_required
def reasons() -> ResponseReturnValue:
    """The templates of the first territory that the person moderates; the administrator's: the nation's."""
    territories = reason_templates.territories(by=current_user)
    return _list(NATION if rights.is_administrator(current_user) else territories[0].siren, territories)


@bp.get("/moderation/motifs/<scope>")
@login_required
def reasons_of(scope: str) -> ResponseReturnValue:
    return _list(scope, reason_templates.territories(by=current_user))


@bp.route("/moderation/motifs/<scope>/nouveau", methods=["GET", "POST"])
@login_required
def add_reason(scope: str) -> ResponseReturnValue:
    territory = reason_templates.territory(_siren(scope), by=current_user)
    form = TemplateForm()
    if form.validate_on_submit():
        try:
            reason_templates.add(form.sheet(), territory_siren=_siren(scope), by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            return _done("Le motif est ajouté.", scope)
    return form_page("moderation/reason.html", form, scope=scope, territory=territory)


@bp.route("/moderation/motifs/<scope>/<int:template_id>", methods=["GET", "POST"])
@login_required
def edit_reason(scope: str, template_id: int) -> ResponseReturnValue:
    siren = _siren(scope)
    template = reason_templates.get(template_id, territory_siren=siren, by=current_user)
    form = TemplateForm(obj=template)
    if form.validate_on_submit():
        try:
            reason_templates.change(template_id, form.sheet(), territory_siren=siren, by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            return _done("Le motif est modifié.", scope)
    territory = reason_templates.territory(siren, by=current_user)
    return form_page("moderation/reason.html", form, scope=scope, territory=territory)


@bp.post("/moderation/motifs/<scope>/<int:template_id>/archiver")
@login_required
def archive_reason(scope: str, template_id: int) -> ResponseReturnValue:
    archived = ARCHIVE.get(request.form.get("action", ""))
    if archived is None:
        abort(400)
    try:
        reason_templates.archive(
            template_id, territory_siren=_siren(scope), by=current_user, archived=archived
        )
    except FieldError as error:
        flash(error.message, "error")
        return redirect(url_for(".reasons_of", scope=scope))
    return _done("Le motif est rangé." if archived else "Le motif est de retour.", scope)


def _list(scope: str, territories: Sequence[Territory]) -> ResponseReturnValue:
    return render_template(
        "moderation/reasons.html",
        templates=reason_templates.listed(_siren(scope), by=current_user),
        territories=territories,
        scope=scope,
        nation=NATION,
    )


def _siren(scope: str) -> str | None:
    return None if scope == NATION else scope


def _done(message: str, scope: str) -> ResponseReturnValue:
    flash(message, "success")
    return redirect(url_for(".reasons_of", scope=scope))
