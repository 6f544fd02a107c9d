"""The life of a collective workshop: invite, answer, cancel, hold, and ask whether it was enough.

Who is invited hears of the workshop and of nobody else who is. Moderators of the territory organise it; who
speaks for a structure answers, also by the link of the mail, without logging in.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload, selectinload

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    InvalidTransition,
    InvitationAnswer,
    Listing,
    ListingState,
    Territory,
    User,
    Workshop,
    WorkshopInvitation,
    WorkshopState,
)
from marketplace.models.listings import TRANSITIONS
from marketplace.services import listings, matches, rights, tokens, workshop_proposals
from marketplace.services.errors import CapacityReached, FieldError, NotFound, TokenExpired
from marketplace.services.paging import Page, page_of
from marketplace.services.work import Work, unit_of_work

PAGE = 20
MINE_SHOWN = 20
# A workshop is planned no further ahead than needs live.
AT_MOST_AHEAD = timedelta(days=180)
# How long after its date a structure may still say whether its need is met.
FOLLOW_UP_WITHIN = timedelta(days=90)
_INVITED, _FOLLOW_UP = "workshop-invitation", "workshop-follow-up"
_LINK_MAX_AGE = int((AT_MOST_AHEAD + FOLLOW_UP_WITHIN).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkshopSheet:
    """What a moderator types; bounds are checked by the form and again by the database."""

    place: str
    starts_at: datetime
    capacity: int
    host: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """How the invited answered a workshop."""

    accepted: int
    declined: int
    silent: int


def plan(siren: str, slug: str, centre: str, sheet: WorkshopSheet, *, mark: str, by: User) -> Workshop:
    """Make a workshop of a proposal and invite each of its needs' structures by mail.

    `mark`: of the proposal that was read. Raises NotFound (also when the proposal is no more: somebody else
    took it), FieldError("mark": its needs have changed, "starts_at").
    """
    _require_sensible(sheet.starts_at)
    with unit_of_work() as work:
        workshop_proposals.moderated(siren, by=by)
        rights.require_confirmed(by)
        work.lock(Territory, siren)  # one at a time: a need is in one workshop to come
        proposal = workshop_proposals.get(siren, slug, centre, by=by)
        if proposal.mark != mark:
            raise FieldError("mark", "Les besoins ont changé pendant votre lecture : vérifiez, puis invitez.")
        workshop = work.add(
            Workshop(
                territory_siren=siren,
                skill_id=proposal.skill.id,
                commune_insee=proposal.place.insee,
                place=sheet.place,
                host=sheet.host,
                message=sheet.message,
                starts_at=sheet.starts_at,
                capacity=sheet.capacity,
                organiser_id=by.id,
            )
        )
        needs = [one.need for one in proposal.travellers]
        for need in needs:
            _invite(work, workshop, need)
        work.audit(
            "workshop.planned",
            workshop,
            by=by,
            territory=siren,
            after={"skill": slug, "starts_at": sheet.starts_at.isoformat(), "needs": [n.id for n in needs]},
        )
    return workshop


def answer(invitation_id: int, said: InvitationAnswer, *, by: User) -> WorkshopInvitation:
    """Record what a structure answers; it may change its mind until the workshop begins.

    Raises NotFound unless the person speaks for it, NotAllowed, InvalidTransition (it is over or cancelled),
    CapacityReached.
    """
    with unit_of_work() as work:
        invitation = _own(invitation_id, by=by)
        rights.require_speaker(by, invitation.organisation_id)
        return _answer(work, invitation, said, by=by)


def answer_by_mail(token: str, said: InvitationAnswer) -> WorkshopInvitation:
    """The same by the link of the mail. Raises TokenExpired, InvalidTransition, CapacityReached."""
    with unit_of_work() as work:
        return _answer(work, read_invitation(token), said, by=None)


def cancel(siren: str, workshop_id: int, *, reason: str, by: User) -> Workshop:
    """Give a workshop up and tell all who had not declined; its needs may be in another proposal.

    Raises NotFound outside one's territories, InvalidTransition.
    """
    with unit_of_work() as work:
        workshop = _lock(work, siren, workshop_id, by=by)
        workshop.transition(WorkshopState.CANCELLED)
        workshop.cancel_reason = reason
        for invitation in _invitations(workshop):
            if invitation.answer is not InvitationAnswer.DECLINED:
                _tell(work, "workshop_cancelled", invitation, workshop)
        work.audit("workshop.cancelled", workshop, by=by, territory=siren, reason=reason)
    return workshop


def hold(siren: str, workshop_id: int, *, present: int, attended: Collection[int], by: User) -> Workshop:
    """Record that it took place, how many people came and which invited structures.

    These are asked by mail whether their need is met. `attended`: ids of invitations. Raises NotFound,
    InvalidTransition, FieldError("present": before it begins, or fewer than those who attended).
    """
    with unit_of_work() as work:
        workshop = _lock(work, siren, workshop_id, by=by)
        if workshop.state is WorkshopState.PLANNED and workshop.starts_at > clock.now():
            raise FieldError("present", "Cet atelier n’a pas encore commencé.")
        came = [each for each in _invitations(workshop) if each.id in attended]
        if present < len(came):
            raise FieldError("present", "Vous avez coché plus de structures que de personnes présentes.")
        workshop.present = present
        workshop.transition(WorkshopState.HELD)
        for invitation in _invitations(workshop):
            invitation.attended = invitation.id in attended
        for invitation in came:
            token = tokens.sign(_FOLLOW_UP, invitation.id)
            _tell(work, "workshop_follow_up", invitation, workshop, token=token)
        work.audit(
            "workshop.held",
            workshop,
            by=by,
            territory=siren,
            after={"present": present, "attended": [each.id for each in came]},
        )
    return workshop


def follow_up(token: str, *, fulfilled: bool) -> WorkshopInvitation:
    """Record whether the need is met; then it leaves the lists, and its open proposals are cancelled.

    Raises TokenExpired, also when it was said before.
    """
    with unit_of_work() as work:
        invitation = read_follow_up(token)
        territory = invitation.workshop.territory_siren
        need = matches.lock_with_counterparts(work, invitation.need_id)
        work.lock(WorkshopInvitation, invitation.id)
        if invitation.fulfilled is not None:
            raise TokenExpired(_FOLLOW_UP)
        invitation.fulfilled = fulfilled
        # One withdrawn or expired meanwhile stays what it is.
        if fulfilled and ListingState.FULFILLED in TRANSITIONS[need.state]:
            need.transition(ListingState.FULFILLED)
            matches.cancel_open_of(work, need, by=None)
        work.audit(
            "workshop.followed_up",
            invitation,
            by=None,
            territory=territory,
            after={"fulfilled": fulfilled, "need": need.id},
        )
        return _loaded(invitation.id)


def read_invitation(token: str) -> WorkshopInvitation:
    """Return the invitation of a mailed link, with its workshop and need. Raises TokenExpired."""
    (key,) = tokens.read(_INVITED, token, max_age=_LINK_MAX_AGE)
    invitation = _load(int(key))
    if invitation is None or rights.is_suspended(invitation.organisation_id):
        raise TokenExpired(_INVITED)
    return invitation


def read_follow_up(token: str) -> WorkshopInvitation:
    """Return what the link of the last mail asks about. Raises TokenExpired, also once it was answered."""
    (key,) = tokens.read(_FOLLOW_UP, token, max_age=int(FOLLOW_UP_WITHIN.total_seconds()))
    invitation = _load(int(key))
    if invitation is None or invitation.fulfilled is not None:
        raise TokenExpired(_FOLLOW_UP)
    return invitation


def show(siren: str, workshop_id: int, *, by: User) -> Workshop:
    """Return a workshop with what each structure answered. Raises NotFound outside one's territories."""
    workshop_proposals.moderated(siren, by=by)
    query = select(Workshop).where(Workshop.id == workshop_id, Workshop.territory_siren == siren)
    workshop = db.session.scalar(
        query.options(
            joinedload(Workshop.skill),
            joinedload(Workshop.commune),
            joinedload(Workshop.territory),
            selectinload(Workshop.invitations).options(
                joinedload(WorkshopInvitation.need).joinedload(Listing.commune),
                joinedload(WorkshopInvitation.organisation),
            ),
        )
    )
    if workshop is None:
        raise NotFound(f"workshop {workshop_id}")
    return workshop


def of_territory(siren: str, *, by: User, page: int) -> Page[Workshop]:
    """Return the workshops of a territory, the latest first. Raises NotFound outside one's territories."""
    workshop_proposals.moderated(siren, by=by)
    query = (
        select(Workshop)
        .where(Workshop.territory_siren == siren)
        .order_by(Workshop.starts_at.desc(), Workshop.id.desc())
        .options(joinedload(Workshop.skill), joinedload(Workshop.commune), selectinload(Workshop.invitations))
    )
    return page_of(query, number=page, size=PAGE)


def of_person(user: User) -> Sequence[WorkshopInvitation]:
    """Return the invitations of the person's structures to workshops to come, the soonest first."""
    query = (
        select(WorkshopInvitation)
        .join(WorkshopInvitation.workshop)
        .where(
            WorkshopInvitation.organisation_id.in_(rights.organisation_ids(user)),
            Workshop.state == WorkshopState.PLANNED,
            Workshop.starts_at > clock.now(),
        )
        .order_by(Workshop.starts_at, WorkshopInvitation.id)
        .limit(MINE_SHOWN)
        .options(*_WITH_WORKSHOP)
    )
    return db.session.scalars(query).all()


def answers_of(workshop: Workshop) -> Answers:
    """Count the answers of a workshop whose invitations are loaded."""
    said = [each.answer for each in workshop.invitations]
    return Answers(
        accepted=said.count(InvitationAnswer.ACCEPTED),
        declined=said.count(InvitationAnswer.DECLINED),
        silent=said.count(None),
    )


def is_open(workshop: Workshop) -> bool:
    """Say whether the invited may still answer."""
    return workshop.state is WorkshopState.PLANNED and workshop.starts_at > clock.now()


_WITH_WORKSHOP = (
    joinedload(WorkshopInvitation.workshop).options(
        joinedload(Workshop.skill), joinedload(Workshop.commune), joinedload(Workshop.territory)
    ),
    joinedload(WorkshopInvitation.need),
    joinedload(WorkshopInvitation.organisation),
)


def _require_sensible(starts_at: datetime) -> None:
    if starts_at <= clock.now():
        raise FieldError("starts_at", "Choisissez une date à venir.")
    if starts_at > clock.now() + AT_MOST_AHEAD:
        raise FieldError("starts_at", f"Choisissez une date dans les {AT_MOST_AHEAD.days} jours.")


def _invite(work: Work, workshop: Workshop, need: Listing) -> None:
    invitation = work.add(
        WorkshopInvitation(workshop_id=workshop.id, need_id=need.id, organisation_id=need.organisation_id)
    )
    _tell(work, "workshop_invitation", invitation, workshop, token=tokens.sign(_INVITED, invitation.id))


def _answer(
    work: Work, invitation: WorkshopInvitation, said: InvitationAnswer, *, by: User | None
) -> WorkshopInvitation:
    workshop = work.lock(Workshop, invitation.workshop_id)  # answers are counted one at a time
    work.lock(WorkshopInvitation, invitation.id)
    if not is_open(workshop):
        raise InvalidTransition(f"workshop {workshop.id}", workshop.state, said)
    if invitation.answer is said:
        return _loaded(invitation.id)
    if said is InvitationAnswer.ACCEPTED and _accepted(workshop) >= workshop.capacity:
        raise CapacityReached(f"workshop {workshop.id}")
    before = invitation.answer
    invitation.answer, invitation.answered_at = said, clock.now()
    work.audit(
        f"workshop.{said}",
        invitation,
        by=by,
        territory=workshop.territory_siren,
        before={"answer": before},
        after={"answer": said},
    )
    _tell(work, "workshop_answered", invitation, workshop, token=tokens.sign(_INVITED, invitation.id))
    return _loaded(invitation.id)


def _accepted(workshop: Workshop) -> int:
    query = select(func.count()).where(
        WorkshopInvitation.workshop_id == workshop.id,
        WorkshopInvitation.answer == InvitationAnswer.ACCEPTED,
    )
    return db.session.scalar(query) or 0


def _tell(
    work: Work, template: str, invitation: WorkshopInvitation, workshop: Workshop, *, token: str = ""
) -> None:
    """Write to who looks after the need: it is the only thing of anybody's that the mail holds."""
    told = _loaded(invitation.id)
    work.mail(template, to=listings.contacts(told.need), invitation=told, workshop=told.workshop, token=token)


def _invitations(workshop: Workshop) -> Sequence[WorkshopInvitation]:
    query = select(WorkshopInvitation).where(WorkshopInvitation.workshop_id == workshop.id)
    return db.session.scalars(query.order_by(WorkshopInvitation.id).options(*_WITH_WORKSHOP)).all()


def _loaded(invitation_id: int) -> WorkshopInvitation:
    """Return an invitation that is there, with all that is told of it: a lock forgets what was loaded."""
    found = _load(invitation_id)
    if found is None:
        raise NotFound(f"invitation {invitation_id}")
    return found


def _load(invitation_id: int) -> WorkshopInvitation | None:
    query = select(WorkshopInvitation).where(WorkshopInvitation.id == invitation_id)
    return db.session.scalar(query.options(*_WITH_WORKSHOP))


def _own(invitation_id: int, *, by: User) -> WorkshopInvitation:
    invitation = _load(invitation_id)
    if invitation is None or not rights.speaks_for(by, invitation.organisation_id):
        raise NotFound(f"invitation {invitation_id}")
    return invitation


def _lock(work: Work, siren: str, workshop_id: int, *, by: User) -> Workshop:
    workshop_proposals.moderated(siren, by=by)
    rights.require_confirmed(by)
    workshop = work.lock(Workshop, workshop_id)
    if workshop.territory_siren != siren:
        raise NotFound(f"workshop {workshop_id}")
    return workshop
