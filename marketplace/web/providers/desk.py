"""Reviews of providers on the moderators' desk."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.services import provider_reviews, rights
from marketplace.services.errors import FieldError
from marketplace.web.forms import form_page
from marketplace.web.providers.forms import PUBLISH, DecisionForm, ReplyForm
from marketplace.web.providers.routes import bp


@bp.get("/moderation/avis")
@login_required
def queue() -> ResponseReturnValue:
    page = provider_reviews.queue(by=current_user, page=request.args.get("page", 1, type=int))
    return render_template("providers/queue.html", page=page)


@bp.get("/moderation/avis/<int:review_id>")
@login_required
def case(review_id: int) -> ResponseReturnValue:
    return _case(review_id, DecisionForm())


@bp.post("/moderation/avis/<int:review_id>")
@login_required
def decide(review_id: int) -> ResponseReturnValue:
    form = DecisionForm()
    if form.validate_on_submit():
        try:
            provider_reviews.decide(
                review_id,
                accept=form.decision.data == PUBLISH,
                by=current_user,
                version=form.seen.data or "",
                ground=form.ground.data,
                facts=form.facts.data,
            )
            return _done("C’est décidé, et l’auteur est prévenu.")
        except FieldError as error:
            form.add_error(error)
    return _case(review_id, form)


@bp.post("/moderation/avis/<int:review_id>/reponse")
@login_required
def decide_reply(review_id: int) -> ResponseReturnValue:
    form = DecisionForm()
    if form.validate_on_submit():
        try:
            provider_reviews.decide_reply(
                review_id,
                accept=form.decision.data == PUBLISH,
                by=current_user,
                version=form.seen.data or "",
                facts=form.facts.data,
            )
            return _done("C’est décidé pour la réponse du prestataire.")
        except FieldError as error:
            form.add_error(error)
    return _case(review_id, form)


@bp.post("/administration/avis/<int:review_id>/reponse")
@login_required
def enter_reply(review_id: int) -> ResponseReturnValue:
    """A reply that came by letter: the administrator enters it."""
    form = ReplyForm()
    if form.validate_on_submit():
        provider_reviews.reply_for(review_id, form.reply.data, by=current_user)
        flash("La réponse du prestataire est en ligne.", "success")
        return redirect(url_for(".case", review_id=review_id))
    return _case(review_id, DecisionForm(formdata=None), reply_form=form)


def _case(review_id: int, form: DecisionForm, reply_form: ReplyForm | None = None) -> ResponseReturnValue:
    found = provider_reviews.desk(review_id, by=current_user)
    form.seen.data = found.version
    wrong = reply_form if reply_form and reply_form.errors else form
    return form_page(
        "providers/case.html",
        wrong,
        decision=form,
        reply_form=reply_form or ReplyForm(formdata=None),
        case=found,
        review=found.review,
        may_enter_reply=rights.is_administrator(current_user),
    )


def _done(message: str) -> ResponseReturnValue:
    flash(message, "success")
    return redirect(url_for(".queue"))
