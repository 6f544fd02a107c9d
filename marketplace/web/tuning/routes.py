from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import Territory
from marketplace.services import market, policies, tuning
from marketplace.services.errors import FieldError
from marketplace.web.forms import form_page
from marketplace.web.tuning.forms import SHOWN_SETTINGS, SHOWN_WEIGHTS, TuningForm

bp = Blueprint("tuning", __name__)


@bp.route("/territoires/<siren>/reglages", methods=["GET", "POST"])
@login_required
def settings(siren: str) -> ResponseReturnValue:
    """The settings of a territory; sent, what they would change for its last round."""
    territory = policies.territory_of(siren, by=current_user)
    form = TuningForm() if request.method == "POST" else _filled(territory)
    form.validate_on_submit()
    return _page(territory, form)


@bp.post("/territoires/<siren>/reglages/appliquer")
@login_required
def apply(siren: str) -> ResponseReturnValue:
    territory, form = policies.territory_of(siren, by=current_user), TuningForm()
    if form.validate_on_submit():
        try:
            policies.apply(siren, form.settings(), by=current_user, seen=_seen(form), note=form.note.data)
        except FieldError as error:
            form.add_error(error)
            form.version.data = str(policies.version_of(siren))
        else:
            flash("C’est fait : ces réglages valent dès la prochaine vague d’appariement.", "success")
            return redirect(url_for(".settings", siren=siren))
    return _page(territory, form)


def _filled(territory: Territory) -> TuningForm:
    """Return the form with the settings that rule, or the nation's on demand."""
    national = "nationaux" in request.args
    ruling = market.policy(None if national else territory)
    return TuningForm.showing(ruling.to_mapping(), version=policies.version_of(territory.siren))


def _seen(form: TuningForm) -> int:
    text = form.version.data or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1  # noqa: PLR2004


def _page(territory: Territory, form: TuningForm) -> ResponseReturnValue:
    comparison = None
    if form.is_submitted() and form.has_settings:
        comparison = tuning.preview(territory.siren, form.settings(), by=current_user)
    versions = policies.history(territory.siren, by=current_user)
    return form_page(
        "tuning/settings.html",
        form,
        territory=territory,
        comparison=comparison,
        versions=[(version, _said(version.policy)) for version in versions],
    )


def _said(overrides: policies.Settings) -> list[str]:
    """Return « Compétence 50 % »… for what a version changes from the nation's settings."""
    form = TuningForm(formdata=None)
    weights = overrides.get("weights", {})
    return [
        *(
            f"{form[f'weights_{key}'].label.text} {form[f'weights_{key}'].said(weights[key])}"
            for key in SHOWN_WEIGHTS
            if key in weights
        ),
        *(
            f"{form[key].label.text} {form[key].said(overrides[key])}"
            for key in SHOWN_SETTINGS
            if key in overrides
        ),
    ]
