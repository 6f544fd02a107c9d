"""Structures: find one, suspend it, read what was decided about it."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.services import desk_structures, moderation, reason_templates
from marketplace.services.desk_structures import StructureReview
from marketplace.services.errors import AlreadyDecided, FieldError
from marketplace.services.text import is_keepable
from marketplace.web.forms import form_page
from marketplace.web.moderation.forms import ACTS, SEND, ReasonsForm, RestoreForm
from marketplace.web.moderation.routes import bp, too_late


@bp.get("/moderation/structures")
@login_required
def structures() -> ResponseReturnValue:
    words, suspended = request.args.get("q", "").strip(), request.args.get("etat") == "suspendues"
    if not is_keepable(words):
        words = ""
    page = desk_structures.structures(
        by=current_user, words=words, suspended=suspended, page=request.args.get("page", 1, type=int)
    )
    chosen = {"q": words or None, "etat": "suspendues" if suspended else None}
    return render_template(
        "moderation/structures.html", page=page, words=words, suspended=suspended, chosen=chosen
    )


@bp.get("/moderation/structures/<int:organisation_id>")
@login_required
def structure(organisation_id: int) -> ResponseReturnValue:
    found = desk_structures.review(organisation_id, by=current_user)
    return _page(found, _form(found))


@bp.post("/moderation/structures/<int:organisation_id>")
@login_required
def suspend(organisation_id: int) -> ResponseReturnValue:
    """Show the statement, then suspend."""
    found = desk_structures.review(organisation_id, by=current_user)
    form = _form(found)
    if not form.validate_on_submit():
        return _page(found, form)
    try:
        reasons = form.reasons()
        if form.is_corrected:
            return _page(found, form, is_open=True)
        if not form.is_sent:
            statement = moderation.preview_suspension(organisation_id, by=current_user, reasons=reasons)
            return _page(found, form, statement=statement.to_text())
        moderation.suspend(
            organisation_id,
            by=current_user,
            ground=reasons.ground,
            facts=reasons.facts,
            explanation=reasons.explanation,
        )
    except FieldError as error:
        form.add_error(error)
        return _page(found, form)
    except AlreadyDecided as error:
        name, url = found.organisation.name, url_for(".structure", organisation_id=organisation_id)
        return too_late(error, what="structure", name=name, url=url)
    flash("La structure est suspendue. Ses membres reçoivent les raisons par mail.", "success")
    return redirect(url_for(".structure", organisation_id=organisation_id))


def _form(found: StructureReview) -> ReasonsForm:
    return ReasonsForm(reason_templates.usable(found.organisation.commune.territory_siren))


def _page(
    found: StructureReview, form: ReasonsForm, *, statement: str = "", is_open: bool = False
) -> ResponseReturnValue:
    return form_page(
        "moderation/structure.html",
        form,
        review=found,
        statement=statement,
        is_open=is_open,
        acts=ACTS,
        send=SEND,
        restore_form=RestoreForm(),
    )
