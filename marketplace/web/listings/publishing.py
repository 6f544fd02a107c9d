"""The form of a need or an offer, from the first word to the listing. Nothing typed is lost on the way."""

from collections.abc import Sequence
from urllib.parse import urlencode

from flask import flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from marketplace.models import Listing, ListingKind, ListingState, Organisation, User
from marketplace.services import drafts, listings, organisations, prechecks
from marketplace.services.errors import FieldError
from marketplace.web import returning
from marketplace.web.display import slug_of
from marketplace.web.forms import form_page
from marketplace.web.listings.forms import FORMS, ListingForm, answers_of, told_by

ENDPOINTS = {ListingKind.NEED: "listings.publish_need", ListingKind.OFFER: "listings.publish_offer"}
# What the buttons send as `action`; anything else publishes.
FIND_SKILL, AS_DRAFT, CONFIRM, START_AGAIN = "competence", "brouillon", "confirmer", "effacer"
# The parameter of a link to what was kept.
KEPT = "brouillon"
# What a link says of the structure, and what the structure's form calls it.
OF_STRUCTURE = {"commune": "commune", "secteur": "activite", "effectif": "effectif"}
SENT = {
    ListingState.DRAFT: "Votre brouillon est gardé : vous pourrez le publier quand vous voudrez.",
    ListingState.CHANGES_REQUESTED: "Vos changements sont gardés. Il reste à les envoyer à la relecture.",
    ListingState.PENDING: (
        "C’est envoyé. Une personne de la modération lit votre annonce avant de la mettre en ligne : "
        "vous recevrez un mail."
    ),
    ListingState.PUBLISHED: "Votre annonce est en ligne.",
    ListingState.PAUSED: "C’est enregistré. Votre annonce reste en pause.",
}


def publish(kind: ListingKind) -> ResponseReturnValue:
    """Answer a request for the publishing form: open, find a skill, start again, or send."""
    person = current_user if current_user.is_authenticated else None
    structures = organisations.published_for(person) if person else []
    if request.method == "GET":
        return _open(kind, structures, person)
    if _action() == START_AGAIN:
        drafts.forget(kind, tokens=_tokens(kind), by=person)
        return redirect(url_for(ENDPOINTS[kind]))
    form = FORMS[kind](structures=structures)
    if _action() == FIND_SKILL:
        return _page(form, nothing_found=not _find_skill(form))
    if not form.validate():
        _keep(form, person)
        return _page(form, kept=True)
    if person is None or not structures:
        return _account_first(form, person)
    return _send(form, person)


def change(listing: Listing) -> ResponseReturnValue:
    """Answer a request for the form of one's own listing; a link may propose other answers."""
    form = FORMS[listing.kind](data=answers_of(listing) | told_by(listing.kind, request.args))
    if request.method == "GET":
        return _edit_page(form, listing)
    if _action() == FIND_SKILL:
        return _edit_page(form, listing, nothing_found=not _find_skill(form))
    if not form.validate():
        return _edit_page(form, listing)
    sheet, submit = form.sheet(), _action() != AS_DRAFT
    flags = _to_confirm(form, listing.organisation_id, listing)
    if flags:
        return _edit_page(form, listing, **_told_of(form, flags))
    try:
        changed = listings.change(listing.id, sheet, by=current_user, submit=submit)
    except FieldError as error:
        form.add_error(error)
        return _edit_page(form, listings.own(listing.id, by=current_user))
    flash(SENT[changed.state], "success")
    return redirect(url_for("listings.show", listing_id=changed.id, slug=slug_of(changed)))


def _open(kind: ListingKind, structures: Sequence[Organisation], person: User | None) -> ResponseReturnValue:
    """Show what was kept, unless a link says something else; else an empty form."""
    told = told_by(kind, request.args)
    draft = drafts.find(kind, tokens=_tokens(kind), by=person)
    if draft is not None and (KEPT in request.args or not told):
        typed = MultiDict((name, value) for name, values in draft.data.items() for value in values)
        return _page(FORMS[kind](formdata=typed, structures=structures), kept=True)
    usual = {"radius_km": listings.usual_radius(structures[0] if structures else None)}
    form = FORMS[kind](data=usual | told, structures=structures)
    if "skill" not in told:
        form.propose_skills(domain=request.args.get("domaine", ""))
    form.propose_from_text()
    return _page(form, draft=draft)


def _send(form: ListingForm, person: User) -> ResponseReturnValue:
    as_draft, organisation_id, sheet = _action() == AS_DRAFT, form.organisation_id(), form.sheet()
    sent = listings.sent_before(
        form.kind, sheet, organisation_id=organisation_id, by=person, as_draft=as_draft
    )
    flags = [] if sent else _to_confirm(form, organisation_id)
    if flags:
        _keep(form, person)
        return _page(form, **_told_of(form, flags))
    listing = listings.publish(
        form.kind, sheet, organisation_id=organisation_id, by=person, as_draft=as_draft
    )
    drafts.forget(form.kind, tokens=_tokens(form.kind), by=person)
    session.pop(_token_key(form.kind), None)
    flash(SENT[listing.state], "success")
    onward = returning.wanted() if listing.state is ListingState.PUBLISHED else ""
    return redirect(onward or url_for("listings.show", listing_id=listing.id, slug=slug_of(listing)))


def _account_first(form: ListingForm, person: User | None) -> ResponseReturnValue:
    """Keep the text and send its author to sign up, or to say for which structure; they come back to it."""
    guessed = {"secteur": form.sector_code} if form.sector_code else {}
    of_structure = guessed | {name: request.args[name] for name in OF_STRUCTURE if name in request.args}
    onward = {"suite": returning.wanted()} if returning.wanted() else {}
    to_kept = {KEPT: _keep(form, person), **of_structure, **onward}
    back = f"{url_for(ENDPOINTS[form.kind])}?{urlencode(to_kept)}"
    if person is None:
        flash(
            "Votre texte est gardé. Créez un compte, ou connectez-vous : vous le retrouverez ensuite.", "info"
        )
        return redirect(url_for("accounts.sign_up", suite=back))
    flash(
        "Votre texte est gardé. Dites maintenant pour quelle structure : vous le retrouverez ensuite.", "info"
    )
    known = {OF_STRUCTURE[name]: value for name, value in of_structure.items()}
    return redirect(f"{url_for('organisations.join')}?{urlencode({'suite': back} | known)}")


def _to_confirm(form: ListingForm, organisation_id: int, listing: Listing | None = None) -> list[str]:
    """Return the pre-checks that the author must hear of before the text goes to a moderator."""
    if _action() in (AS_DRAFT, CONFIRM):
        return []
    return listings.foresee(form.kind, form.sheet(), organisation_id=organisation_id, listing=listing)


def _told_of(form: ListingForm, flags: list[str]) -> dict[str, object]:
    """Return what the page says of the pre-checks: which, and the words that set them off."""
    sheet = form.sheet()
    return {"flags": flags, "passages": prechecks.passages(sheet.title, sheet.description)}


def _find_skill(form: ListingForm) -> bool:
    """Propose skills for the description, and what else it tells. False when there is no skill to propose."""
    if form.description.validate(form):
        form.propose_skills()
        form.propose_from_text()
    return bool(form.proposal.choices or form.description.errors)


def _page(form: ListingForm, **context: object) -> ResponseReturnValue:
    return form_page("listings/publish.html", form, **context)


def _edit_page(form: ListingForm, listing: Listing, **context: object) -> ResponseReturnValue:
    read_first = listings.is_read_first(listing.territory_siren) and not listings.is_trusted(
        listing.organisation_id, listing.territory_siren
    )
    return form_page("listings/edit.html", form, listing=listing, read_first=read_first, **context)


def _action() -> str:
    return request.form.get("action", "")


def _keep(form: ListingForm, person: User | None) -> str:
    key = _token_key(form.kind)
    token = drafts.keep(
        form.kind,
        form.typed(),
        token=session.get(key, ""),
        by=person,
        address=request.remote_addr or "",
    )
    session[key] = token
    return token


def _tokens(kind: ListingKind) -> list[str]:
    return [token for token in (request.args.get(KEPT), session.get(_token_key(kind))) if token]


def _token_key(kind: ListingKind) -> str:
    return f"draft_{kind}"
