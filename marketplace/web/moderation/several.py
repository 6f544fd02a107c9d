"""Deciding the same on several listings of the queue."""

import re
from collections.abc import Mapping, Sequence

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import DecisionAction, Listing, ReasonTemplate
from marketplace.models.moderation import FAVOURABLE
from marketplace.services import desk, moderation, reason_templates, statements
from marketplace.services.errors import FieldError
from marketplace.services.moderation import Summary
from marketplace.web.converters import ID_MAX
from marketplace.web.forms import form_page
from marketplace.web.moderation import filters
from marketplace.web.moderation.forms import ACTS, SEND, DecisionForm
from marketplace.web.moderation.routes import bp

# What a box of the queue sends: the listing, and the version of the text that was read.
_BOX = re.compile(r"([0-9]{1,10}):([0-9a-f]{16})")
_DONE = {
    DecisionAction.APPROVE: ("approuvée", "approuvées"),
    DecisionAction.REQUEST_CHANGES: ("renvoyée à son auteur", "renvoyées à leurs auteurs"),
    DecisionAction.REJECT: ("refusée", "refusées"),
    DecisionAction.REMOVE: ("retirée", "retirées"),
}


@bp.post("/moderation/annonces")
@login_required
def decide_many() -> ResponseReturnValue:
    """Approve at once; against listings, ask for the reasons, show the statement, then send."""
    versions = _ticked()
    try:
        listings = desk.several(versions, by=current_user)
    except FieldError as error:
        flash(error.message, "error")
        return _back()
    form = DecisionForm(tuple(moderation.MOVES), _templates(listings))
    if not form.validate_on_submit():
        return _page(form, versions, listings)
    try:
        reasons = form.reasons()
        if form.action.data in FAVOURABLE or form.is_sent:
            summary = moderation.decide_many(versions, form.action.data, by=current_user, reasons=reasons)
            _tell(summary, form.action.data)
            return _back()
        if form.is_begun and not form.is_corrected:
            reasons.require()
            sample = statements.on_listing(listings[0], form.action.data, reasons)
            return _page(form, versions, listings, statement=sample.to_text())
    except FieldError as error:
        form.add_error(error)
    return _page(form, versions, listings)


def _ticked() -> dict[int, str]:
    boxes = (_BOX.fullmatch(value) for value in request.form.getlist("annonce"))
    return {int(box[1]): box[2] for box in boxes if box and int(box[1]) <= ID_MAX}


def _templates(listings: Sequence[Listing]) -> Sequence[ReasonTemplate]:
    """Return the territory's, where all are of one; else the nation's."""
    sirens = {listing.territory_siren for listing in listings}
    return reason_templates.usable(sirens.pop() if len(sirens) == 1 else None)


def _page(
    form: DecisionForm, versions: Mapping[int, str], listings: Sequence[Listing], *, statement: str = ""
) -> ResponseReturnValue:
    return form_page(
        "moderation/several.html",
        form,
        listings=listings,
        boxes=[f"{key}:{version}" for key, version in versions.items()],
        statement=statement,
        asked=filters.asked(),
        acts=ACTS,
        send=SEND,
    )


def _back() -> ResponseReturnValue:
    return redirect(filters.asked().url(".queue"))


def _tell(summary: Summary, action: DecisionAction) -> None:
    """« 18 annonces approuvées. 2 déjà décidées par Rozenn Kerbratin. »"""
    one, several = _DONE[action]
    told = [f"{_number(summary.done)} {one if summary.done == 1 else several}."]
    for name, number in summary.already.items():
        decided = "déjà décidée" if number == 1 else "déjà décidées"
        told.append(f"{number} {decided} par {name or 'quelqu’un d’autre'} : rien n’y a été changé.")
    if summary.changed:
        told.append(f"{summary.changed} à relire : le texte a changé pendant votre lecture.")
    if summary.gone:
        told.append(f"{summary.gone} que l’auteur a reprises entre-temps.")
    flash(" ".join(told), "success" if summary.done else "warning")


def _number(done: int) -> str:
    return "Aucune annonce" if done == 0 else f"{done} {'annonce' if done == 1 else 'annonces'}"
