from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.services import appeals, reason_templates
from marketplace.services.appeals import AppealView, TooLate
from marketplace.services.errors import AlreadyDecided, FieldError
from marketplace.web.appeals.forms import AnswerForm, AppealForm
from marketplace.web.forms import form_page
from marketplace.web.moderation.forms import ACTS, SEND

bp = Blueprint("appeals", __name__)

CONFLICT, GONE = 409, 410


@bp.route("/recours/<token>", methods=["GET", "POST"])
def new(token: str) -> ResponseReturnValue:
    """What is contested and until when; then what becomes of the appeal. The link alone opens it."""
    contested = appeals.read_link(token)
    form = AppealForm()
    if form.validate_on_submit():
        try:
            appeals.file(token, text=form.text.data, address=request.remote_addr or "")
        except TooLate:
            pass
        except FieldError as error:
            form.add_error(error)
        else:
            flash("Votre recours est enregistré. Vous en recevez un accusé de réception par mail.", "success")
            return redirect(url_for(".new", token=token))
    if contested.is_late and contested.appeal is None:
        return render_template("appeals/new.html", contested=contested, form=form), GONE
    return form_page("appeals/new.html", form, contested=contested)


@bp.get("/annonces/<int:listing_id>/recours")
@login_required
def of_listing(listing_id: int) -> ResponseReturnValue:
    return redirect(url_for(".new", token=appeals.token_for_listing(listing_id, by=current_user)))


@bp.get("/structures/<int:organisation_id>/recours")
@login_required
def of_organisation(organisation_id: int) -> ResponseReturnValue:
    return redirect(url_for(".new", token=appeals.token_for_organisation(organisation_id, by=current_user)))


@bp.get("/moderation/recours")
@login_required
def queue() -> ResponseReturnValue:
    chosen = {name: request.args[name] for name in ("etat", "territoire") if request.args.get(name)}
    decided = chosen.get("etat") == "clos"
    page = appeals.queue(
        by=current_user,
        territory=chosen.get("territoire"),
        decided=decided,
        page=request.args.get("page", 1, type=int),
    )
    territories = appeals.territories(by=current_user)
    return render_template(
        "appeals/queue.html", page=page, chosen=chosen, decided=decided, territories=territories
    )


@bp.get("/moderation/recours/<int:appeal_id>")
@login_required
def case(appeal_id: int) -> ResponseReturnValue:
    view = appeals.read(appeal_id, by=current_user)
    return _case(view, _form(view))


@bp.post("/moderation/recours/<int:appeal_id>")
@login_required
def decide(appeal_id: int) -> ResponseReturnValue:
    """The answer; where it takes a measure against something, its statement shows first."""
    view = appeals.read(appeal_id, by=current_user)
    form = _form(view)
    if not form.validate_on_submit() or form.is_corrected:
        return _case(view, form)
    try:
        measure = form.measure_if_any()
        if measure is not None and not form.is_sent:
            statement = appeals.preview(appeal_id, measure, by=current_user)
            return render_template(
                "appeals/preview.html",
                form=form,
                statement=statement.to_text(),
                view=view,
                acts=ACTS,
                send=SEND,
            )
        appeals.decide(
            appeal_id, form.outcome.data, by=current_user, reasons=form.answer.data, measure=measure
        )
    except FieldError as error:
        form.add_error(error)
        return _case(appeals.read(appeal_id, by=current_user), form)
    except AlreadyDecided:
        view = appeals.read(appeal_id, by=current_user)
        return _case(view, _form(view), status=CONFLICT)
    flash("C’est décidé : la réponse part par mail avec vos raisons.", "success")
    return redirect(url_for(".queue"))


@bp.app_template_global("appeals_waiting")
def waiting() -> int:
    return appeals.waiting(by=current_user)


def _form(view: AppealView) -> AnswerForm:
    return AnswerForm(reason_templates.usable(view.appeal.territory_siren) if view.case else ())


def _case(view: AppealView, form: AnswerForm, *, status: int = 200) -> ResponseReturnValue:
    form.seen.data = view.case.version if view.case else ""
    told = {"view": view, "acts": ACTS, "too_late": status == CONFLICT}
    if status == CONFLICT:
        return render_template("appeals/case.html", form=form, **told), CONFLICT
    return form_page("appeals/case.html", form, **told)
