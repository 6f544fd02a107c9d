"""Which listings changed, for every process that keeps listings in memory.

Noted by the session itself, so that no act can forget it: rows that a flush writes, and statements that
change many rows, which say whom they touch by the execution option TOUCHED, or else everything. The version
is written last in the transaction: whoever changes listings at the same time waits for its commit only, so
versions are committed in their order and none is missed.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import chain
from secrets import token_hex

from sqlalchemy import delete, event, func, insert, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from marketplace.extensions import db
from marketplace.models import Listing, ListingChange, ListingSkill, MarketVersion, Organisation
from marketplace.services.work import unit_of_work

TOUCHED = "touched_listings"
# More than so many listings at once are read again as a whole.
MOST_TOLD = 20_000
# Versions kept for those who look rarely; who comes later reads everything again.
VERSIONS_KEPT = 10_000
_NOTED = "journal"
_VERSION = select(MarketVersion.epoch, MarketVersion.number)  # asked often: made once
_TABLES = (Listing.__tablename__, ListingSkill.__tablename__)


@dataclass(frozen=True, slots=True)
class Version:
    """A state of the open market. Versions of one epoch follow each other by number."""

    epoch: str
    number: int


@dataclass(slots=True)
class _Noted:
    listings: set[int] = field(default_factory=set)
    organisations: set[int] = field(default_factory=set)
    everything: bool = False


def version() -> Version:
    """Return the version of the market that this transaction sees."""
    row = db.session.execute(_VERSION).one_or_none()
    return Version(row.epoch, row.number) if row else Version("", 0)


def changed_since(seen: Version, now: Version) -> set[int] | None:
    """Return the listings that may have changed between two versions; None when that is no longer known."""
    if seen.epoch != now.epoch or seen.number > now.number:
        return None
    if seen == now:
        return set()
    query = select(ListingChange.version, ListingChange.listing_id).where(
        ListingChange.version > seen.number, ListingChange.version <= now.number
    )
    told = list(db.session.execute(query))
    versions = {number for number, _ in told}
    complete = len(versions) == now.number - seen.number
    return {listing_id for _, listing_id in told} if complete else None


def forget_old() -> int:
    """Delete the oldest changes. Returns how many."""
    with unit_of_work() as work:
        newest = select(func.max(ListingChange.version)).scalar_subquery()
        old = delete(ListingChange).where(ListingChange.version <= newest - VERSIONS_KEPT)
        return int(work.session.execute(old).rowcount)  # type: ignore[attr-defined]


@event.listens_for(db.session, "after_flush")
def _note_rows(session: Session, _context: UOWTransaction) -> None:
    for row in chain(session.new, session.dirty, session.deleted):
        if isinstance(row, Listing):
            _noted(session).listings.add(row.id)
        elif isinstance(row, ListingSkill):
            _noted(session).listings.add(row.listing_id)
        elif isinstance(row, Organisation) and inspect(row).attrs.suspended_at.history.has_changes():
            _noted(session).organisations.add(row.id)


@event.listens_for(db.session, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> None:
    if not (state.is_insert or state.is_update or state.is_delete):
        return
    table = state.statement.table.name  # type: ignore[attr-defined]
    touched = state.execution_options.get(TOUCHED)
    if touched is not None:
        _noted(state.session).listings.update(touched)
    elif table in _TABLES or table == Organisation.__tablename__:
        _noted(state.session).everything = True


@event.listens_for(db.session, "before_commit")
def _write(session: Session) -> None:
    if session.in_nested_transaction():
        return
    session.flush()
    noted: _Noted | None = session.info.pop(_NOTED, None)
    if noted is None:
        return
    if noted.organisations:
        query = select(Listing.id).where(Listing.organisation_id.in_(noted.organisations))
        noted.listings.update(session.scalars(query))
    if noted.everything or len(noted.listings) > MOST_TOLD:
        _next_version(session, epoch=token_hex(16))
        session.execute(delete(ListingChange))
    elif noted.listings:
        _tell(session, noted.listings)


@event.listens_for(db.session, "after_soft_rollback")
def _forget(session: Session, _previous: object) -> None:
    session.info.pop(_NOTED, None)


def _noted(session: Session) -> _Noted:
    found: _Noted = session.info.setdefault(_NOTED, _Noted())
    return found


def _tell(session: Session, listing_ids: Collection[int]) -> None:
    number = _next_version(session)
    rows = [{"version": number, "listing_id": listing_id} for listing_id in sorted(listing_ids)]
    session.execute(insert(ListingChange), rows)


def _next_version(session: Session, epoch: str = "") -> int:
    """Take the row of the version, which stays locked until the commit. Returns the new number."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(MarketVersion).values(id=1, epoch=epoch or token_hex(16), number=1)
    values = {"number": MarketVersion.number + 1} | ({"epoch": epoch} if epoch else {})
    statement = statement.on_conflict_do_update(index_elements=["id"], set_=values)
    return int(session.execute(statement.returning(MarketVersion.number)).scalar_one())
