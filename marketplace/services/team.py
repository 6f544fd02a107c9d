"""Who moderates a territory and who is in charge: invitations by mail, roles given, changed and taken back.

The head does it for their territory, the national administrator everywhere, the operator by the command line
(`by` None).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import Territory, TerritoryInvitation, TerritoryRole, TerritoryRoleKind, User
from marketplace.services import accounts, mailer, rights, throttle, tokens
from marketplace.services.errors import FieldError, NotAllowed, NotFound, TokenExpired
from marketplace.services.work import Work, unit_of_work

INVITATION_DAYS = 7
SHOWN_MAX = 200
INVITATIONS_AN_HOUR = 30
LAST_HEAD = "Il faut au moins une personne responsable : nommez-en une autre d’abord."
ALREADY_THERE = "Cette personne fait déjà partie de l’équipe : changez plutôt son rôle."
_PURPOSE = "team-invitation"


@dataclass(frozen=True, slots=True)
class Invitation:
    """`is_open` False: too old to be accepted; it can be sent again."""

    row: TerritoryInvitation
    is_open: bool


@dataclass(frozen=True, slots=True)
class Team:
    """The people of a territory, those in charge first. `can_change`: whoever asks may change it."""

    territory: Territory
    roles: Sequence[TerritoryRole]
    invitations: Sequence[Invitation]
    can_change: bool


def show(siren: str, *, by: User) -> Team:
    """Return the team as its own moderators see it. Raises NotFound for anybody else."""
    territory = db.session.get(Territory, siren)
    if territory is None or not rights.moderates(by, siren):
        raise NotFound(f"territory {siren}")
    can_change = rights.heads(by, siren)
    return Team(territory, _roles(siren), _invitations(siren) if can_change else (), can_change)


def invite(siren: str, email: str, role: TerritoryRoleKind, *, by: User) -> TerritoryInvitation:
    """Mail a link that gives the role to who owns the address; the last invitation counts.

    Raises NotFound, NotAllowed (rights.require_head), FieldError("email") for a member, TooManyAttempts.
    """
    rights.require_head(by, siren)
    throttle.count_attempt(f"invite:{by.id}", limit=INVITATIONS_AN_HOUR, seconds=tokens.HOUR)
    with unit_of_work() as work:
        return invite_within(work, siren, email, role, by=by)


def invite_within(
    work: Work, siren: str, email: str, role: TerritoryRoleKind, *, by: User
) -> TerritoryInvitation:
    """The same as a part of another act, which has asked for the right."""
    territory, email = work.lock(Territory, siren), accounts.clean_email(email)
    person = accounts.by_email(email)
    if person is not None and work.session.get(TerritoryRole, (person.id, siren)) is not None:
        raise FieldError("email", ALREADY_THERE)
    invitation = _of_address(siren, email)
    if invitation is None:
        invitation = work.add(TerritoryInvitation(territory_siren=siren, email=email, role=role))
    invitation.role, invitation.invited_by_id, invitation.sent_at = role, by.id, clock.now()
    _mail(work, invitation, territory, by=by)
    work.audit("team.invited", invitation, by=by, territory=siren, after={"role": role})
    return invitation


def withdraw(siren: str, invitation_id: int, *, by: User) -> None:
    """Take an invitation back: its link no longer serves. Raises NotFound, NotAllowed."""
    rights.require_head(by, siren)
    with unit_of_work() as work:
        invitation = work.lock(TerritoryInvitation, invitation_id)
        if invitation.territory_siren != siren:
            raise NotFound(f"invitation {invitation_id}")
        work.audit("team.invitation_withdrawn", invitation, by=by, territory=siren)
        work.session.delete(invitation)


def token_for(invitation: TerritoryInvitation) -> str:
    """Return what the mailed link holds; an invitation sent again outdates it."""
    return tokens.sign(_PURPOSE, invitation.id, _mark(invitation))


def read_invitation(token: str) -> TerritoryInvitation:
    """Return what the link offers. Raises TokenExpired: too old, taken back, accepted or sent again since."""
    invitation_id, mark = tokens.read(_PURPOSE, token, max_age=INVITATION_DAYS * tokens.DAY)
    invitation = db.session.get(
        TerritoryInvitation, int(invitation_id), options=[joinedload(TerritoryInvitation.territory)]
    )
    if invitation is None or _mark(invitation) != mark:
        raise TokenExpired(_PURPOSE)
    return invitation


def accept(token: str, *, by: User) -> TerritoryRole:
    """Take the role. Raises TokenExpired, NotAllowed unless the invitation is for the person's address."""
    key = read_invitation(token).id
    with unit_of_work() as work:
        work.lock(TerritoryInvitation, key)
        invitation = read_invitation(token)  # again under the lock: the link serves once
        rights.require_confirmed(by)
        if by.email != invitation.email:
            raise NotAllowed("invited under another address")
        inviter = invitation.invited_by_id and work.session.get(User, invitation.invited_by_id)
        held = _give(work, by, invitation.territory, invitation.role, by=by)
        if inviter:
            work.mail("team_joined", to=inviter, member=by, territory=invitation.territory, role=held.role)
        work.session.delete(invitation)
    return held


def change_role(siren: str, user_id: int, role: TerritoryRoleKind, *, by: User) -> TerritoryRole:
    """Make a member moderator or head. Raises NotFound, NotAllowed, FieldError("role") for the last head."""
    rights.require_head(by, siren)
    with unit_of_work() as work:
        territory, held = _lock_member(work, siren, user_id)
        if role is not TerritoryRoleKind.HEAD:
            _require_another_head(held, by=by)
        return _give(work, work.lock(User, user_id), territory, role, by=by)


def remove(siren: str, user_id: int, *, by: User) -> None:
    """Take the role back; anybody may give up their own. Raises as change_role."""
    if by.id != user_id or not rights.moderates(by, siren):
        rights.require_head(by, siren)
    with unit_of_work() as work:
        territory, held = _lock_member(work, siren, user_id)
        _require_another_head(held, by=by)
        _take(work, held, territory, by=by)


def appoint(siren: str, email: str, role: TerritoryRoleKind) -> TerritoryRole:
    """Give the role to who has an account, as the operator. Raises NotFound for either."""
    with unit_of_work() as work:
        territory = _lock_territory(work, siren)
        return _give(work, _person(email), territory, role, by=None)


def dismiss(siren: str, email: str) -> None:
    """Take the role back, as the operator. Raises NotFound when they have none."""
    with unit_of_work() as work:
        territory, held = _lock_member(work, siren, _person(email).id)
        _take(work, held, territory, by=None)


def _roles(siren: str) -> Sequence[TerritoryRole]:
    query = (
        select(TerritoryRole)
        .join(User, User.id == TerritoryRole.user_id)
        .where(TerritoryRole.territory_siren == siren)
        .options(joinedload(TerritoryRole.user))
        .order_by(TerritoryRole.role, User.name, User.id)  # « head » comes before « moderator »
        .limit(SHOWN_MAX)
    )
    return db.session.scalars(query).all()


def _invitations(siren: str) -> Sequence[Invitation]:
    query = (
        select(TerritoryInvitation)
        .where(TerritoryInvitation.territory_siren == siren)
        .order_by(TerritoryInvitation.sent_at.desc(), TerritoryInvitation.id)
        .limit(SHOWN_MAX)
    )
    limit = clock.now() - timedelta(days=INVITATION_DAYS)
    return [Invitation(row, is_open=row.sent_at >= limit) for row in db.session.scalars(query)]


def _of_address(siren: str, email: str) -> TerritoryInvitation | None:
    return db.session.scalar(
        select(TerritoryInvitation).where(
            TerritoryInvitation.territory_siren == siren, TerritoryInvitation.email == email
        )
    )


def _mail(work: Work, invitation: TerritoryInvitation, territory: Territory, *, by: User) -> None:
    """To the address itself: whoever owns it may have no account yet."""
    mail = mailer.compose(
        "team_invitation",
        to=invitation.email,
        token=token_for(invitation),
        territory=territory,
        role=invitation.role,
        by=by,
        days=INVITATION_DAYS,
    )
    work.session.add(mail)


def _mark(invitation: TerritoryInvitation) -> str:
    return invitation.sent_at.isoformat()


def _lock_territory(work: Work, siren: str) -> Territory:
    """Whoever changes a team waits here for the one before: the last head must not go twice."""
    if db.session.get(Territory, siren) is None:
        raise NotFound(f"no territory has the SIREN {siren}")
    return work.lock(Territory, siren)


def _lock_member(work: Work, siren: str, user_id: int) -> tuple[Territory, TerritoryRole]:
    territory = _lock_territory(work, siren)
    held = work.session.get(TerritoryRole, (user_id, siren), populate_existing=True)
    if held is None:
        raise NotFound(f"user {user_id} has no role in {siren}")
    return territory, held


def _require_another_head(held: TerritoryRole, *, by: User) -> None:
    if held.role is not TerritoryRoleKind.HEAD or rights.is_administrator(by):
        return
    others = select(func.count()).where(
        TerritoryRole.territory_siren == held.territory_siren,
        TerritoryRole.role == TerritoryRoleKind.HEAD,
        TerritoryRole.user_id != held.user_id,
    )
    if not db.session.scalar(others):
        raise FieldError("role", LAST_HEAD)


def _give(
    work: Work, user: User, territory: Territory, role: TerritoryRoleKind, *, by: User | None
) -> TerritoryRole:
    held = work.session.get(TerritoryRole, (user.id, territory.siren))
    before = {"role": held.role} if held is not None else None
    if held is None:
        held = work.add(TerritoryRole(user_id=user.id, territory_siren=territory.siren, role=role))
    held.role = role
    after = {"role": role}
    if before == after:
        return held
    work.audit("territory.role_given", held, by=by, territory=territory.siren, before=before, after=after)
    work.mail("team_role", to=user, territory=territory, role=role)
    return held


def _take(work: Work, held: TerritoryRole, territory: Territory, *, by: User | None) -> None:
    work.audit(
        "territory.role_taken", held, by=by, territory=territory.siren, before={"role": held.role}, after=None
    )
    work.mail("team_role", to=work.session.get_one(User, held.user_id), territory=territory, role=None)
    work.session.delete(held)


def _person(email: str) -> User:
    user = accounts.by_email(email)
    if user is None:
        raise NotFound(f"nobody has signed up with {email}")
    return user
