from collections.abc import Mapping, Sequence
from typing import TypeVar

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import InvitationAnswer, Workshop, WorkshopInvitation
from marketplace.services import maps, providers, workshop_proposals, workshops
from marketplace.services.errors import CapacityReached, FieldError, InvalidTransition, TokenExpired
from marketplace.services.maps import Drawing
from marketplace.services.workshop_proposals import Proposal
from marketplace.web.display import km
from marketplace.web.forms import INVALID_STATUS, form_page
from marketplace.web.workshops.forms import CancelForm, HeldForm, PlanForm

Word = TypeVar("Word")

bp = Blueprint("workshops", __name__)

GONE = 410
PROVIDERS_SHOWN, PROPOSALS_SHOWN = 5, 40
ANSWERS = {"venir": InvitationAnswer.ACCEPTED, "decliner": InvitationAnswer.DECLINED}
FULFILLED = {"oui": True, "non": False}
FULL = "Toutes les places sont prises. Votre besoin reste en ligne."
TOO_LATE = "Cet atelier est passé ou annulé : votre réponse n’a pas été changée."


@bp.get("/territoires/<siren>/ateliers")
@login_required
def index(siren: str) -> ResponseReturnValue:
    """What could be, and what is planned or over."""
    page = workshops.of_territory(siren, by=current_user, page=request.args.get("page", 1, type=int))
    return render_template(
        "workshops/index.html",
        territory=workshop_proposals.moderated(siren, by=current_user),
        proposals=workshop_proposals.find(siren, by=current_user),
        proposals_shown=PROPOSALS_SHOWN,
        page=page,
        rows=[(each, workshops.answers_of(each), workshops.is_open(each)) for each in page.items],
    )


@bp.route("/territoires/<siren>/ateliers/proposer/<slug>/<centre>", methods=["GET", "POST"])
@login_required
def plan(siren: str, slug: str, centre: str) -> ResponseReturnValue:
    """A proposal with its map and who could run it; sent, its structures are invited."""
    proposal = workshop_proposals.get(siren, slug, centre, by=current_user)
    form = PlanForm()
    if form.validate_on_submit():
        try:
            workshop = workshops.plan(
                siren, slug, centre, form.sheet(), mark=form.mark.data or "", by=current_user
            )
        except FieldError as error:
            form.add_error(error)
        else:
            flash("C’est parti : les structures sont invitées par mail.", "success")
            return redirect(url_for(".show", siren=siren, workshop_id=workshop.id))
    form.mark.data = proposal.mark
    return form_page(
        "workshops/plan.html",
        form,
        proposal=proposal,
        drawing=_map(proposal),
        helpers=workshop_proposals.helpers(proposal),
        providers=providers.near([proposal.skill.id], proposal.place, PROVIDERS_SHOWN),
    )


@bp.get("/territoires/<siren>/ateliers/<int:workshop_id>")
@login_required
def show(siren: str, workshop_id: int) -> ResponseReturnValue:
    return _page(workshops.show(siren, workshop_id, by=current_user))


@bp.post("/territoires/<siren>/ateliers/<int:workshop_id>/annuler")
@login_required
def cancel(siren: str, workshop_id: int) -> ResponseReturnValue:
    workshop = workshops.show(siren, workshop_id, by=current_user)
    form = CancelForm()
    if not form.validate_on_submit():
        return _page(workshop, cancelling=form)
    workshops.cancel(siren, workshop_id, reason=form.reason.data, by=current_user)
    flash("L’atelier est annulé. Les structures sont prévenues.", "success")
    return redirect(url_for(".show", siren=siren, workshop_id=workshop_id))


@bp.post("/territoires/<siren>/ateliers/<int:workshop_id>/a-eu-lieu")
@login_required
def hold(siren: str, workshop_id: int) -> ResponseReturnValue:
    workshop = workshops.show(siren, workshop_id, by=current_user)
    form = HeldForm(workshop.invitations)
    if form.validate_on_submit():
        try:
            workshops.hold(
                siren,
                workshop_id,
                present=form.present.data or 0,
                attended=form.attended.data,
                by=current_user,
            )
        except FieldError as error:
            form.add_error(error)
        else:
            flash("C’est noté. Les structures venues diront si leur besoin est satisfait.", "success")
            return redirect(url_for(".show", siren=siren, workshop_id=workshop_id))
    return _page(workshops.show(siren, workshop_id, by=current_user), holding=form)


@bp.route("/ateliers/invitation/<token>", methods=["GET", "POST"])
def answer(token: str) -> ResponseReturnValue:
    """The link of the mail: it shows buttons, because programs that check mails open every link."""
    try:
        if request.method == "GET":
            return _invitation(workshops.read_invitation(token))
        said = _said(ANSWERS)
        return _invitation(workshops.answer_by_mail(token, said), just=said)
    except TokenExpired:
        return render_template("workshops/expired.html"), GONE
    except (CapacityReached, InvalidTransition) as error:
        flash(FULL if isinstance(error, CapacityReached) else TOO_LATE, "error")
        return redirect(url_for(".answer", token=token))


@bp.post("/mon-espace/ateliers/<int:invitation_id>")
@login_required
def reply(invitation_id: int) -> ResponseReturnValue:
    """The same from one's own space."""
    try:
        workshops.answer(invitation_id, _said(ANSWERS), by=current_user)
        flash("C’est noté : le territoire connaît votre réponse.", "success")
    except (CapacityReached, InvalidTransition) as error:
        flash(FULL if isinstance(error, CapacityReached) else TOO_LATE, "error")
    return redirect(url_for("matches.space"))


@bp.route("/ateliers/bilan/<token>", methods=["GET", "POST"])
def follow_up(token: str) -> ResponseReturnValue:
    """Was the workshop enough? Asked by mail to those who came."""
    try:
        if request.method == "GET":
            return render_template("workshops/follow_up.html", invitation=workshops.read_follow_up(token))
        invitation = workshops.follow_up(token, fulfilled=_said(FULFILLED))
    except TokenExpired:
        return render_template("workshops/expired.html"), GONE
    return render_template("workshops/followed_up.html", invitation=invitation)


@bp.app_template_global()
def workshop_invitations() -> Sequence[WorkshopInvitation]:
    """Return the invitations of the person to workshops to come: for their own space."""
    return workshops.of_person(current_user)


def _said(words: Mapping[str, Word]) -> Word:
    said = words.get(request.form.get("reponse", ""))
    if said is None:
        abort(400)
    return said


def _invitation(
    invitation: WorkshopInvitation, *, just: InvitationAnswer | None = None
) -> ResponseReturnValue:
    return render_template(
        "workshops/invitation.html",
        invitation=invitation,
        is_open=workshops.is_open(invitation.workshop),
        just=just,
    )


def _page(
    workshop: Workshop, *, cancelling: CancelForm | None = None, holding: HeldForm | None = None
) -> ResponseReturnValue:
    sent = cancelling or holding
    page = render_template(
        "workshops/show.html",
        workshop=workshop,
        answers=workshops.answers_of(workshop),
        is_open=workshops.is_open(workshop),
        cancelling=cancelling or CancelForm(formdata=None),
        holding=holding or HeldForm(workshop.invitations, formdata=None),
    )
    return page, INVALID_STATUS if sent and sent.errors else 200


def _map(proposal: Proposal) -> Drawing:
    """Show how many needs come from each commune, and where they would meet."""
    place = proposal.place
    marks = []
    if place.lat is not None and place.lon is not None:
        marks.append(maps.Point(f"Lieu : {place.name}", place.lat, place.lon, ("", ""), is_chosen=True))
    return maps.draw_communes(
        [
            maps.Reading(one.commune.insee, one.commune.name, one.needs, (one.needs, km(one.distance_km)))
            for one in proposal.origins
        ],
        title="D’où l’on viendrait",
        columns=("Commune", "Besoins", "Distance"),
        points=marks,
        around=[commune.insee for commune in proposal.candidates],
    )
