from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import GuideState
from marketplace.services import guides, rights
from marketplace.services.errors import FieldError
from marketplace.web.forms import form_page
from marketplace.web.help.forms import DecisionForm, GuideFilterForm, GuideForm

bp = Blueprint("guides", __name__)


@bp.get("/guides")
def index() -> ResponseReturnValue:
    form = GuideFilterForm(request.args)
    page = guides.search(form.filters(), page=_page_number())
    return render_template("help/guides.html", form=form, page=page, state=form.state())


@bp.route("/guides/proposer", methods=["GET", "POST"])
@login_required
def propose() -> ResponseReturnValue:
    form = GuideForm()
    if form.validate_on_submit():
        try:
            guide = guides.propose(form.sheet(), by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            online = guide.state is GuideState.PUBLISHED
            flash(
                "C’est en ligne." if online else "Merci ! Une personne de la modération le lit d’abord.",
                "success",
            )
            return redirect(url_for(".index"))
    return form_page("help/propose.html", form, decides=rights.is_moderator(current_user))


@bp.get("/moderation/guides")
@login_required
def queue() -> ResponseReturnValue:
    return _queue(None, DecisionForm(formdata=None))


@bp.post("/moderation/guides/<int:guide_id>")
@login_required
def decide(guide_id: int) -> ResponseReturnValue:
    form, publish = DecisionForm(), request.form.get("decision") == "publier"
    if form.validate():
        try:
            guides.decide(
                guide_id, publish=publish, reason="" if publish else form.reason.data, by=current_user
            )
        except FieldError as error:
            form.add_error(error)
        else:
            flash("C’est publié." if publish else "C’est refusé : la personne est prévenue.", "success")
            return redirect(url_for(".queue"))
    return _queue(guide_id, form)


@bp.post("/moderation/guides/<int:guide_id>/retirer")
@login_required
def withdraw(guide_id: int) -> ResponseReturnValue:
    guides.withdraw(guide_id, by=current_user)
    flash("Ce n’est plus en ligne.", "success")
    return redirect(url_for(".queue"))


def _queue(decided: int | None, form: DecisionForm) -> ResponseReturnValue:
    """Show what waits; the form of one of them as it was sent."""
    return form_page(
        "help/queue.html",
        form,
        waiting=guides.queue(by=current_user, page=_page_number()),
        published=guides.published_here(by=current_user),
        decided=decided,
    )


def _page_number() -> int:
    return request.args.get("page", default=1, type=int)
