from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import ListingKind, Match
from marketplace.services import explanations, listings, matches, organisations, providers, ranking, rights
from marketplace.services.errors import FieldError, InvalidTransition
from marketplace.services.matches import MatchView
from marketplace.services.ranking import Ranked
from marketplace.web.forms import form_page
from marketplace.web.listings.forms import places_of
from marketplace.web.matches.forms import CancelForm, DeclineForm, ProposeForm

bp = Blueprint("matches", __name__)

COUNTERPARTS_SHOWN = 10


@bp.get("/mon-espace")
@login_required
def space() -> ResponseReturnValue:
    mine = listings.of_organisations(rights.organisation_ids(current_user))
    return render_template(
        "matches/space.html",
        space=matches.space(current_user, past_page=request.args.get("page", 1, type=int)),
        memberships=organisations.memberships(current_user),
        requests=organisations.requests_to_decide(current_user),
        listings=[(listing, listings.acts_on(listing)) for listing in mine],
        left_alone=explanations.reasons_left_alone(mine),
    )


@bp.get("/mises-en-relation/<int:match_id>")
@login_required
def show(match_id: int) -> ResponseReturnValue:
    view = matches.show(match_id, to=current_user)
    return _show(view, DeclineForm() if view.awaits_me else CancelForm())


@bp.post("/mises-en-relation/<int:match_id>/accepter")
@login_required
def accept(match_id: int) -> ResponseReturnValue:
    match = matches.accept(match_id, by=current_user)
    if match.state == "agreed":
        flash("C’est d’accord des deux côtés : voici les coordonnées.", "success")
    else:
        flash("C’est noté. Nous prévenons l’autre structure.", "success")
    return _back_to(match)


@bp.post("/mises-en-relation/<int:match_id>/decliner")
@login_required
def decline(match_id: int) -> ResponseReturnValue:
    form = DeclineForm()
    if form.validate_on_submit():
        try:
            match = matches.decline(
                match_id, by=current_user, reason=form.reason.data, comment=form.comment.data
            )
        except FieldError as error:
            form.add_error(error)
        else:
            flash("C’est noté : cette proposition ne reviendra pas.", "success")
            return _back_to(match)
    view = matches.show(match_id, to=current_user)
    if not view.awaits_me:
        raise InvalidTransition(f"match {match_id}", view.match.state, "declined")
    return _show(view, form)


@bp.post("/mises-en-relation/<int:match_id>/annuler")
@login_required
def cancel(match_id: int) -> ResponseReturnValue:
    form = CancelForm()
    if form.validate_on_submit():
        try:
            match = matches.cancel(match_id, by=current_user, comment=form.comment.data)
        except FieldError as error:
            form.add_error(error)
        else:
            flash("La mise en relation est annulée. L’autre structure est prévenue.", "success")
            return _back_to(match)
    view = matches.show(match_id, to=current_user)
    if not view.may_cancel:
        raise InvalidTransition(f"match {match_id}", view.match.state, "cancelled")
    return _show(view, form)


@bp.post("/mises-en-relation/<int:match_id>/realiser")
@login_required
def complete(match_id: int) -> ResponseReturnValue:
    match = matches.complete(match_id, by=current_user)
    flash("Bravo : l’échange est noté comme réalisé.", "success")
    return _back_to(match)


@bp.route("/annonces/<int:listing_id>/proposer", methods=["GET", "POST"])
@login_required
def propose(listing_id: int) -> ResponseReturnValue:
    """From somebody else's listing: choose which of one's own goes with it, or publish one."""
    theirs = listings.show(listing_id, to=current_user)
    if request.method == "GET" and rights.speaks_for(current_user, theirs.organisation_id):
        return redirect(url_for(".counterparts", listing_id=listing_id))
    choices = ranking.choices(theirs, by=current_user)
    form = ProposeForm(choices.fitting)
    if form.validate_on_submit():
        chosen = next(own for own in choices.fitting if own.listing.id == form.listing.data)
        try:
            match = _propose(theirs.id, chosen, message=form.message.data)
        except FieldError as error:
            form.add_error(error)
        else:
            flash("C’est envoyé. L’autre structure a dix jours pour répondre.", "success")
            return _back_to(match)
    return form_page(
        "matches/propose.html",
        form,
        theirs=theirs,
        obstacle=ranking.obstacle(theirs),
        choices=choices,
        has_structure=bool(rights.organisation_ids(current_user)),
    )


@bp.get("/annonces/<int:listing_id>/correspondances")
@login_required
def counterparts(listing_id: int) -> ResponseReturnValue:
    """The best counterparts of one's own listing, ranked now."""
    listing = listings.own(listing_id, by=current_user)
    obstacle = ranking.obstacle(listing)
    ranked = [] if obstacle else ranking.best_for(listing, limit=COUNTERPARTS_SHOWN)
    alone = not obstacle and not ranked
    verdicts = explanations.verdicts(listing, [found.listing for found in ranked])
    return render_template(
        "matches/counterparts.html",
        listing=listing,
        obstacle=obstacle,
        ranked=ranked,
        verdicts=verdicts,
        why=explanations.why_alone(listing) if alone else None,
        lieux=places_of(listing),
        providers=providers.near_listing(listing) if alone and listing.kind is ListingKind.NEED else [],
    )


def _show(view: MatchView, form: CancelForm) -> ResponseReturnValue:
    return form_page("matches/show.html", form, view=view, circle=matches.circle_of(view))


def _propose(theirs_id: int, chosen: Ranked, *, message: str) -> Match:
    mine = chosen.listing
    need_id, offer_id = (mine.id, theirs_id) if mine.kind is ListingKind.NEED else (theirs_id, mine.id)
    return matches.propose(need_id, offer_id, by=current_user, reasons=chosen.reasons, message=message)


def _back_to(match: Match) -> ResponseReturnValue:
    return redirect(url_for(".show", match_id=match.id))
