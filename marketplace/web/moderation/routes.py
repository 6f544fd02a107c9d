from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import DecisionAction, ListingKind, ModerationDecision
from marketplace.services import moderation
from marketplace.services.errors import FieldError
from marketplace.services.moderation import QueueFilters, QueueView, Review
from marketplace.web.forms import form_page
from marketplace.web.moderation.forms import ACTS, DecisionForm

bp = Blueprint("moderation", __name__)

VIEWS = {"attente": QueueView.WAITING, "en-ligne": QueueView.ONLINE}
KINDS = {"besoin": ListingKind.NEED, "savoir-faire": ListingKind.OFFER}


@bp.get("/moderation")
@login_required
def queue() -> ResponseReturnValue:
    chosen = {name: request.args[name] for name in ("etat", "type", "portee") if request.args.get(name)}
    filters = QueueFilters(
        view=VIEWS.get(chosen.get("etat", ""), QueueView.WAITING),
        kind=KINDS.get(chosen.get("type", "")),
        national=chosen.get("portee") == "nationale",
    )
    page = moderation.queue(by=current_user, filters=filters, page=request.args.get("page", 1, type=int))
    return render_template("moderation/queue.html", page=page, filters=filters, chosen=chosen)


@bp.get("/moderation/annonces/<int:listing_id>")
@login_required
def review(listing_id: int) -> ResponseReturnValue:
    found = moderation.review(listing_id, by=current_user)
    return _review(found, DecisionForm(found.actions))


@bp.post("/moderation/annonces/<int:listing_id>")
@login_required
def decide(listing_id: int) -> ResponseReturnValue:
    form = DecisionForm(tuple(DecisionAction))
    if form.validate_on_submit():
        try:
            decision = moderation.decide(
                listing_id,
                form.action.data,
                by=current_user,
                version=form.seen.data or "",
                ground=form.ground.data,
                facts=form.facts.data,
            )
        except FieldError as error:
            form.add_error(error)
        else:
            return _go_on(decision)
    return _review(moderation.review(listing_id, by=current_user), form)


def _review(found: Review, form: DecisionForm) -> ResponseReturnValue:
    form.seen.data = found.version
    form.action.choices = [(action.value, ACTS[action]) for action in found.actions]
    return form_page("moderation/review.html", form, review=found, acts=ACTS)


def _go_on(decision: ModerationDecision) -> ResponseReturnValue:
    """Open what waits next, so that a queue is read without going back and forth."""
    if decision.action is DecisionAction.REMOVE:
        flash("L’annonce est retirée. Son auteur reçoit les raisons par mail.", "success")
        return redirect(url_for(".queue", etat="en-ligne"))
    following = moderation.next_after(decision.listing_id, by=current_user)
    if following is None:
        flash("C’est décidé, et l’auteur est prévenu. Il ne reste rien à relire.", "success")
        return redirect(url_for(".queue"))
    flash("C’est décidé, et l’auteur est prévenu. Voici la suivante.", "success")
    return redirect(url_for(".review", listing_id=following.id))
