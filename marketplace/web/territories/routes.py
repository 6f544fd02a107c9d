from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import Territory
from marketplace.services import flyers, territories
from marketplace.services.errors import FieldError
from marketplace.services.flyers import FlyerText
from marketplace.web.forms import INVALID_STATUS
from marketplace.web.territories.forms import LogoForm, SettingsForm

bp = Blueprint("territories", __name__)

LOGO_MAX_AGE = 365 * 24 * 3600  # seconds: its address changes with its content
# A picture somebody sent must never act as a page.
LOGO_POLICY = "default-src 'none'; sandbox"
TEXTS = {text.value: text for text in FlyerText}


@bp.route("/territoires/<siren>/reglages/territoire", methods=["GET", "POST"])
@login_required
def settings(siren: str) -> ResponseReturnValue:
    territory = territories.for_head(siren, by=current_user)
    form = SettingsForm.showing(territory)
    if form.validate_on_submit():
        try:
            territories.change_settings(siren, form.settings(), by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash("Les réglages sont enregistrés.", "success")
            return redirect(url_for(".settings", siren=siren))
    return _page(territory, form, LogoForm(formdata=None))


@bp.post("/territoires/<siren>/reglages/logo")
@login_required
def set_logo(siren: str) -> ResponseReturnValue:
    territory, form = territories.for_head(siren, by=current_user), LogoForm()
    if form.validate_on_submit():
        sent = request.files.get("logo")
        try:
            content = sent.read(territories.LOGO_MAX_BYTES + 1) if sent else b""
            territories.set_logo(siren, content, by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash("Le logo est enregistré.", "success")
            return redirect(url_for(".settings", siren=siren))
    return _page(territory, SettingsForm.showing(territory, formdata=None), form)


@bp.post("/territoires/<siren>/reglages/logo/retirer")
@login_required
def remove_logo(siren: str) -> ResponseReturnValue:
    territories.remove_logo(siren, by=current_user)
    flash("Le logo est retiré.", "success")
    return redirect(url_for(".settings", siren=siren))


@bp.get("/territoires/<siren>/logo")
def logo(siren: str) -> Response:
    found = territories.logo(siren)
    response = make_response(found.content)
    response.mimetype = found.media_type
    response.headers["Content-Security-Policy"] = LOGO_POLICY
    response.cache_control.public = True
    response.cache_control.max_age = LOGO_MAX_AGE
    return response


@bp.get("/territoires/<siren>/affiche")
@login_required
def flyer(siren: str) -> ResponseReturnValue:
    text = TEXTS.get(request.args.get("texte", ""), FlyerText.REGISTRATION)
    territory = territories.for_moderator(siren, by=current_user)
    return render_template(
        "territories/flyer.html", territory=territory, text=text, address=flyers.shown_address(territory)
    )


@bp.get("/territoires/<siren>/affiche/<text>.svg")
@login_required
def flyer_code(siren: str, text: str) -> Response:
    if text not in TEXTS:
        abort(404)
    territory = territories.for_moderator(siren, by=current_user)
    response = make_response(flyers.code(territory, TEXTS[text]))
    response.mimetype = "image/svg+xml"
    return response


def _page(territory: Territory, form: SettingsForm, logo_form: LogoForm) -> ResponseReturnValue:
    page = render_template("territories/settings.html", territory=territory, form=form, logo_form=logo_form)
    return page, INVALID_STATUS if form.errors or logo_form.errors else 200
