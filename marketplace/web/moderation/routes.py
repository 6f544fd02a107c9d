from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import DecisionAction, ModerationDecision
from marketplace.models.moderation import FAVOURABLE
from marketplace.services import desk, moderation, reason_templates
from marketplace.services.desk import Review
from marketplace.services.errors import AlreadyDecided, FieldError
from marketplace.services.statements import Statement
from marketplace.web.forms import form_page
from marketplace.web.moderation import filters
from marketplace.web.moderation.forms import ACTS, SEND, DecisionForm, RestoreForm

bp = Blueprint("moderation", __name__)

CONFLICT = 409


@bp.get("/moderation")
@login_required
def queue() -> ResponseReturnValue:
    asked = filters.asked()
    page = desk.queue(by=current_user, filters=asked.filters, page=request.args.get("page", 1, type=int))
    offered = filters.offered(desk.territories(by=current_user))
    return render_template("moderation/queue.html", page=page, asked=asked, offered=offered, acts=ACTS)


@bp.get("/moderation/attente")
@login_required
def waiting() -> ResponseReturnValue:
    """How many wait with these filters: what a page left open asks now and then."""
    return {"waiting": desk.count(by=current_user, filters=filters.asked().filters)}


@bp.get("/moderation/annonces/<int:listing_id>")
@login_required
def review(listing_id: int) -> ResponseReturnValue:
    """The listing; `decision` in the address: the form against it is open."""
    found = desk.review(listing_id, by=current_user)
    form = _form(found)
    wanted = request.args.get("decision", "")
    is_open = wanted not in FAVOURABLE and wanted in found.item.actions
    return _review(found, form, is_open=is_open)


@bp.post("/moderation/annonces/<int:listing_id>")
@login_required
def decide(listing_id: int) -> ResponseReturnValue:
    """A decision; one that is against the listing shows its statement first."""
    found = desk.review(listing_id, by=current_user)
    form = _form(found)
    if not form.validate_on_submit():
        return _review(found, form, is_open=True)
    try:
        reasons = form.reasons()
        if form.is_corrected:
            return _review(found, form, is_open=True)
        if form.action.data in FAVOURABLE or form.is_sent:
            moderation.decide(
                listing_id,
                form.action.data,
                by=current_user,
                version=form.seen.data or "",
                ground=reasons.ground,
                facts=reasons.facts,
                explanation=reasons.explanation,
            )
        else:
            statement = moderation.preview(
                listing_id, form.action.data, by=current_user, version=form.seen.data or "", reasons=reasons
            )
            return _preview(found, form, statement)
    except FieldError as error:
        form.add_error(error)
        return _review(desk.review(listing_id, by=current_user), form, is_open=True)
    except AlreadyDecided as error:
        return _too_late(error, listing_id)
    return _go_on(listing_id, form.action.data)


@bp.post("/moderation/decisions/<int:decision_id>/retablir")
@login_required
def restore(decision_id: int) -> ResponseReturnValue:
    """Take a decision back, on a listing or on a structure."""
    form = RestoreForm()
    decision = moderation.find(decision_id, by=current_user)
    if not form.validate_on_submit():
        return form_page("moderation/restore.html", form, decision=decision)
    subject = _subject_of(decision)
    try:
        moderation.restore(decision_id, by=current_user, reason=form.reason.data)
    except AlreadyDecided as error:
        return too_late(error, **subject)
    flash("C’est rétabli, et la structure est prévenue.", "success")
    return redirect(subject["url"])


def _form(found: Review) -> DecisionForm:
    templates = reason_templates.usable(found.item.listing.territory_siren)
    return DecisionForm(tuple(moderation.MOVES), templates)


def _review(found: Review, form: DecisionForm, *, is_open: bool) -> ResponseReturnValue:
    form.seen.data = found.item.version
    asked = filters.asked()
    return form_page(
        "moderation/review.html",
        form,
        review=found,
        around=desk.neighbours(found.item.listing.id, by=current_user, filters=asked.filters),
        asked=asked,
        acts=ACTS,
        is_open=is_open,
        restore_form=RestoreForm(),
    )


def _preview(found: Review, form: DecisionForm, statement: Statement) -> ResponseReturnValue:
    return render_template(
        "moderation/preview.html",
        form=form,
        listing=found.item.listing,
        statement=statement.to_text(),
        asked=filters.asked(),
        acts=ACTS,
        send=SEND,
    )


def too_late(
    error: AlreadyDecided, *, what: str, name: str, url: str, next_url: str = ""
) -> ResponseReturnValue:
    """Tell who decided what, and when; what they left is one click away."""
    is_mine = error.by == current_user.name
    told = {"error": error, "what": what, "name": name, "url": url, "next_url": next_url}
    return render_template("moderation/decided.html", is_mine=is_mine, **told), CONFLICT


def _subject_of(decision: ModerationDecision) -> dict[str, str]:
    """Return what too_late() tells of what was decided on."""
    if decision.listing is not None:
        url = url_for(".review", listing_id=decision.listing_id)
        return {"what": "annonce", "name": decision.listing.title, "url": url}
    url = url_for(".structure", organisation_id=decision.organisation_id)
    return {
        "what": "structure",
        "name": decision.organisation.name if decision.organisation else "",
        "url": url,
    }


def _too_late(error: AlreadyDecided, listing_id: int) -> ResponseReturnValue:
    asked, listing = filters.asked(), desk.review(listing_id, by=current_user).item.listing
    following = desk.neighbours(listing_id, by=current_user, filters=asked.filters).next
    return too_late(
        error,
        what="annonce",
        name=listing.title,
        url=asked.url(".review", listing_id=listing_id),
        next_url=asked.url(".review", listing_id=following) if following else "",
    )


def _go_on(listing_id: int, action: DecisionAction) -> ResponseReturnValue:
    """Open what comes next, so that a queue is read without going back and forth."""
    asked = filters.asked()
    if action is DecisionAction.REMOVE:
        flash("L’annonce est retirée. Son auteur reçoit les raisons par mail.", "success")
        return redirect(asked.url(".queue", etat="en-ligne"))
    following = desk.neighbours(listing_id, by=current_user, filters=asked.filters).next
    if following is None:
        flash("C’est décidé, et l’auteur est prévenu. Il ne reste rien à relire.", "success")
        return redirect(asked.url(".queue"))
    flash("C’est décidé, et l’auteur est prévenu. Voici la suivante.", "success")
    return redirect(asked.url(".review", listing_id=following))
