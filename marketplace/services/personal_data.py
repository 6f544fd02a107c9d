"""One person's data: take them along, or delete the account (regulation (EU) 2016/679, art. 15, 17, 20)."""

from collections.abc import Iterator
from datetime import date, datetime
from enum import Enum
from typing import Any

from sqlalchemy import Column, Table, Text, delete, exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased
from sqlalchemy.types import JSON

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    Listing,
    ListingState,
    Match,
    Membership,
    MembershipState,
    Organisation,
    OutboxMail,
    Report,
    ReportCase,
    Territory,
    TerritoryRole,
    TerritoryRoleKind,
    User,
)
from marketplace.models.listings import TRANSITIONS
from marketplace.models.matches import LIVE
from marketplace.services import accounts, matches, organisations, retention
from marketplace.services.errors import FieldError, NotFound
from marketplace.services.work import Work, unit_of_work

NOT_THEIRS = (
    "Ce n’est pas votre mot de passe. Si vous n’en avez pas, choisissez-en un par « Mot de passe oublié »."
)
LAST_ADMIN = "Vous êtes la seule personne qui administre le site : nommez d’abord quelqu’un d’autre."
# Columns that say whose row it is; another one that leads to a person tells what they did about others.
_OWN = frozenset({"user_id", "author_id", "started_by_id", "reporter_id"})
_SECRET = ("password", "secret", "token", "hash", "sha256")
_WITHDRAWABLE = tuple(state for state, targets in TRANSITIONS.items() if ListingState.WITHDRAWN in targets)


def export(user: User) -> dict[str, Any]:
    """Return everything that is kept about the person, ready for JSON; secrets apart.

    Found by the tables' references to people, so that a new table is not forgotten.
    """
    return {
        "exported_at": clock.now().isoformat(),
        "account": _row(User.__table__, "id", user.id)[0],
        "tables": {
            f"{table.name}.{column.name}": rows
            for table, column in _about_people()
            if (rows := _row(table, column.name, user.id))
        },
        "acts": _acts(user),
        "mails": _mails(user),
    }


def export_by_email(email: str) -> dict[str, Any]:
    """Return the same for the operator. Raises NotFound."""
    user = accounts.by_email(email)
    if user is None:
        raise NotFound(f"nobody has signed up with {email}")
    return export(user)


def require_password(user: User, password: str, *, address: str) -> None:
    """Raise FieldError("password") unless it is theirs, TooManyAttempts."""
    if accounts.authenticate(user.email, password, address=address) is None:
        raise FieldError("password", NOT_THEIRS)


def delete_account(user: User) -> None:
    """Delete the account and what is only the person's.

    Where others speak for their structures, listings and exchanges go on without them. Where nobody is left,
    its listings are withdrawn and its live matches cancelled, and the others told; where a territory has no
    head left, the national administrators are. Their reports keep no name once their case is closed. The
    audit log keeps a number. Raises FieldError("account") for the last administrator.
    """
    with unit_of_work() as work:
        user = work.lock(User, user.id)
        if user.is_admin and not _other_admins(user):
            raise FieldError("account", LAST_ADMIN)
        for organisation_id in _organisations_of(user):
            _leave(work, organisation_id, user)
        for territory in _headless_without(user):
            work.mail("territory_without_head", to=_administrators(user), territory=territory)
        retention.erase_reporters(work, _closed_reports(user))
        work.audit("user.deleted", user, by=user)
        work.session.execute(delete(OutboxMail).where(OutboxMail.recipient == user.email))
        work.mail("account_deleted", to=user)
        work.session.flush()
        work.session.execute(
            delete(User).where(User.id == user.id).execution_options(synchronize_session=False)
        )
        work.session.expunge(user)


def _about_people() -> Iterator[tuple[Table, Column[Any]]]:
    """Yield each column of the schema that leads to a person."""
    for table in db.metadata.sorted_tables:
        for column in table.columns:
            if any(key.column.table.name == User.__tablename__ for key in column.foreign_keys):
                yield table, column


def _row(table: Any, name: str, user_id: int) -> list[dict[str, Any]]:
    shown = [column for column in table.columns if _is_shown(column, is_own=name in _OWN | {"id"})]
    query = select(*shown).where(table.columns[name] == user_id).order_by(*table.primary_key.columns)
    return [{key: _plain(value) for key, value in row._mapping.items()} for row in db.session.execute(query)]


def _is_shown(column: Column[Any], *, is_own: bool) -> bool:
    """What somebody decided about others is told without the others' words."""
    if any(word in column.name for word in _SECRET):
        return False
    return is_own or not isinstance(column.type, Text | JSON)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


def _acts(user: User) -> list[dict[str, Any]]:
    columns = AuditEntry.at, AuditEntry.action, AuditEntry.subject_type, AuditEntry.subject_id
    query = select(*columns).where(AuditEntry.actor_id == user.id).order_by(AuditEntry.id)
    return [{key: _plain(value) for key, value in row._mapping.items()} for row in db.session.execute(query)]


def _mails(user: User) -> list[dict[str, Any]]:
    columns = OutboxMail.created_at, OutboxMail.sent_at, OutboxMail.subject, OutboxMail.text
    query = select(*columns).where(OutboxMail.recipient == user.email).order_by(OutboxMail.id)
    return [{key: _plain(value) for key, value in row._mapping.items()} for row in db.session.execute(query)]


def _other_admins(user: User) -> bool:
    return bool(db.session.scalar(select(exists().where(User.is_admin, User.id != user.id))))


def _administrators(without: User) -> list[User]:
    return list(db.session.scalars(select(User).where(User.is_admin, User.id != without.id)))


def _headless_without(user: User) -> list[Territory]:
    """Return the territories that only this person heads."""
    other = aliased(TerritoryRole)
    others = exists().where(
        other.territory_siren == TerritoryRole.territory_siren,
        other.role == TerritoryRoleKind.HEAD,
        other.user_id != user.id,
    )
    query = (
        select(Territory)
        .join(TerritoryRole, TerritoryRole.territory_siren == Territory.siren)
        .where(TerritoryRole.user_id == user.id, TerritoryRole.role == TerritoryRoleKind.HEAD, ~others)
    )
    return list(db.session.scalars(query))


def _closed_reports(user: User) -> list[int]:
    """Return the reports of the person whose outcome is known: nobody needs to write to them any more."""
    closed = select(ReportCase.id).where(ReportCase.closed_at.is_not(None))
    query = select(Report.id).where(Report.reporter_id == user.id, Report.case_id.in_(closed))
    return list(db.session.scalars(query))


def _organisations_of(user: User) -> list[int]:
    """Return the structures that the person speaks for, in the order in which they are locked."""
    active = Membership.user_id == user.id, Membership.state == MembershipState.ACTIVE
    query = select(Membership.organisation_id).where(*active).order_by(Membership.organisation_id)
    return list(db.session.scalars(query))


def _leave(work: Work, organisation_id: int, user: User) -> None:
    organisation = work.lock(Organisation, organisation_id)  # two who leave at once must see each other
    if any(person.id != user.id for person in organisations.speakers(organisation_id)):
        return
    for listing in _lock_listings(work, organisation_id):
        if listing.state in _WITHDRAWABLE:
            listing.transition(ListingState.WITHDRAWN)
            work.audit("listing.withdrawn", listing, by=user, territory=listing.territory_siren)
        # An agreed exchange outlives its listing, but not the last person who could go.
        matches.cancel_open_of(work, listing, by=user, states=LIVE)
    _delete_unless_needed(work, organisation)


def _lock_listings(work: Work, organisation_id: int) -> list[Listing]:
    """Lock the structure's listings and those that live matches pair with them: by id, as all acts do.

    Returns its own that can be withdrawn or have a live match.
    """
    own = select(Listing.id).where(
        Listing.organisation_id == organisation_id, Listing.state.in_(_WITHDRAWABLE)
    )
    pairs = work.session.execute(
        select(Match.need_id, Match.offer_id).where(_of(organisation_id), Match.state.in_(LIVE))
    )
    ids = {*work.session.scalars(own), *(key for pair in pairs for key in pair)}
    locked = [work.lock(Listing, key) for key in sorted(ids)]
    return [listing for listing in locked if listing.organisation_id == organisation_id]


def _of(organisation_id: int) -> Any:
    return or_(Match.need_organisation_id == organisation_id, Match.offer_organisation_id == organisation_id)


def _delete_unless_needed(work: Work, organisation: Organisation) -> None:
    """Delete a structure that nothing else refers to; exchanges with others keep the name of theirs."""
    try:
        with work.session.begin_nested():
            work.session.execute(
                delete(Organisation)
                .where(Organisation.id == organisation.id)
                .execution_options(synchronize_session=False)
            )
    except IntegrityError:
        return
    work.session.expunge(organisation)
