"""The administrator's side: lists that were imported, what subjects stand for, who must go."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.services import provider_themes, provider_upkeep, providers, rights
from marketplace.services.errors import FieldError
from marketplace.web.forms import form_page
from marketplace.web.providers.forms import SuppressForm, ThemeForm
from marketplace.web.providers.routes import bp


@bp.get("/administration/prestataires")
@login_required
def administration() -> ResponseReturnValue:
    unmapped_only = request.args.get("etat") == "sans"
    number = request.args.get("page", default=1, type=int)
    return render_template(
        "providers/administration.html",
        lists=provider_upkeep.lists(by=current_user),
        page=provider_themes.overview(by=current_user, unmapped_only=unmapped_only, page=number),
        unmapped_only=unmapped_only,
    )


@bp.route("/administration/prestataires/themes/<int:theme_id>", methods=["GET", "POST"])
@login_required
def theme(theme_id: int) -> ResponseReturnValue:
    found = provider_themes.get(theme_id, by=current_user)
    form = ThemeForm([skill.slug for skill in found.skills])
    if form.validate_on_submit():
        try:
            provider_themes.set_skills(theme_id, form.skills.data, by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash("C’est noté : les prestataires de ce thème répondent à ces compétences.", "success")
            return redirect(url_for(".administration"))
    return form_page("providers/theme.html", form, theme=found)


@bp.route("/administration/prestataires/<int:provider_id>/retirer", methods=["GET", "POST"])
@login_required
def suppress(provider_id: int) -> ResponseReturnValue:
    rights.require_administrator(current_user)
    sheet = providers.show(provider_id)
    form = SuppressForm()
    if form.validate_on_submit():
        try:
            provider_upkeep.suppress_provider(provider_id, reason=form.reason.data, by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash("Le prestataire est retiré, et aucun import ne le ramènera.", "success")
            return redirect(url_for(".administration"))
    return form_page("providers/suppress.html", form, sheet=sheet)
