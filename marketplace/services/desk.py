"""The desk of a territory: what waits for a moderator, in which order, and what helps to decide."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, String, Text, and_, case, cast, exists, func, literal, select
from sqlalchemy.orm import aliased, joinedload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    DecisionAction,
    Listing,
    ListingKind,
    ListingState,
    ModerationDecision,
    Organisation,
    Skill,
    Territory,
    User,
)
from marketplace.services import differences, moderation, prechecks, report_cases, rights
from marketplace.services.differences import Change
from marketplace.services.errors import NotAllowed, NotFound
from marketplace.services.listings import SHOWN
from marketplace.services.paging import Page, page_of
from marketplace.services.prechecks import Passage
from marketplace.services.text import fold

QUEUE_PAGE = 20
WORDS_MAX = 100
# Words are looked for in so many listings of the queue, and the next one among as many.
LOOKED_THROUGH = 2000
TERRITORIES_MAX = 200
AGES_DAYS = (1, 3, 7, 30)
# Flags that the text set off when it was sent (services.prechecks).
TEXT_FLAGS = ("phone", "email", "link", "price", "commercial", "repeat")
FIRST, REPORTED, RETURNED = "first_listing", "reported", "returned"
FLAGS = (RETURNED, REPORTED, *TEXT_FLAGS, FIRST)


class QueueView(StrEnum):
    """Which listings the queue shows: those that wait, oldest first, or those online, newest first."""

    WAITING = "waiting"
    ONLINE = "online"


@dataclass(frozen=True, slots=True)
class QueueFilters:
    """`national`: for the administrator, only what nobody nearer moderates. None, or nothing: all.

    `flag`: one of FLAGS; `older_than_days`: sent (or put online) so long ago; `words`: all of them, in the
    title, the text or the name of the structure.
    """

    view: QueueView = QueueView.WAITING
    kind: ListingKind | None = None
    national: bool = False
    flag: str = ""
    domain: str = ""
    skill_id: int | None = None
    territory: str = ""
    older_than_days: int = 0
    words: str = ""


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A listing in the queue. `changes`: since a moderator asked for some; `version`: what decide() wants."""

    listing: Listing
    version: str
    flags: Sequence[str]
    changes: Sequence[Change]
    actions: Sequence[DecisionAction]


@dataclass(frozen=True, slots=True)
class Review:
    """A listing as its moderator reads it. `is_own`: of a structure they speak for; somebody else decides.

    `passages`: what the pre-checks saw in the text; `to_take_back`: the decision that keeps it offline, if it
    may be taken back; `case_id`: of the open case of reports on it.
    """

    item: QueueItem
    passages: Sequence[Passage]
    history: Sequence[ModerationDecision]
    to_take_back: ModerationDecision | None
    case_id: int | None
    is_own: bool


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What comes before and after a listing in the queue, and how many wait; `position` 0: not in it."""

    previous: int | None
    next: int | None
    position: int
    total: int


def queue(*, by: User, filters: QueueFilters, page: int) -> Page[QueueItem]:
    """Return one page of the listings that the person may decide on. Raises NotAllowed for no moderator.

    Those that come back after a request for changes are on top.
    """
    query = _in_order(_found(by, filters), filters.view).options(*SHOWN)
    found = page_of(query, number=page, size=QUEUE_PAGE)
    return Page(_items(found.items), found.number, found.pages, found.total)


def count(*, by: User, filters: QueueFilters) -> int:
    """Return how many listings queue() holds. Raises NotAllowed for no moderator."""
    query = _found(by, filters).with_only_columns(func.count(), maintain_column_froms=True)
    return db.session.scalar(query) or 0


def territories(*, by: User) -> Sequence[Territory]:
    """Return the territories of the person where something waits or is online."""
    sirens = select(Listing.territory_siren).where(rights.moderated_listings(by), _is_in_a_view())
    query = select(Territory).where(Territory.siren.in_(sirens)).order_by(Territory.name)
    return db.session.scalars(query.limit(TERRITORIES_MAX)).all()


def review(listing_id: int, *, by: User) -> Review:
    """Return the listing with what its moderator needs. Raises NotFound outside their territories."""
    listing = db.session.scalar(
        select(Listing).where(Listing.id == listing_id).options(*SHOWN, joinedload(Listing.author))
    )
    if listing is None or listing.state is ListingState.DRAFT:
        raise NotFound(f"listing {listing_id}")
    rights.require_moderator(by, listing)
    own = rights.speaks_for(by, listing.organisation_id)
    (item,) = _items([listing])
    past = moderation.history(listing_id=listing_id)
    return Review(
        item=item,
        passages=prechecks.passages(listing.title, listing.description),
        history=past,
        case_id=None if own else report_cases.open_case_ids([listing_id]).get(listing_id),
        to_take_back=None if own else moderation.to_take_back(past, listing.state),
        is_own=own,
    )


def several(ids: Collection[int], *, by: User) -> Sequence[Listing]:
    """Return the listings that the person wants to decide on together, by id.

    Raises NotFound unless they may see all, NotAllowed for one of their own structure, FieldError("listings")
    when there are none or too many.
    """
    moderation.require_some(ids, by=by)
    query = select(Listing).where(Listing.id.in_(ids)).options(*SHOWN).order_by(Listing.id)
    return db.session.scalars(query).all()


def neighbours(listing_id: int, *, by: User, filters: QueueFilters) -> Neighbours:
    """Return where the listing stands among the first LOOKED_THROUGH of the queue.

    Decided meanwhile, it stands where it stood; nothing after it: the first that waits is next. Raises
    NotFound.
    """
    rows = _keys(_in_order(_found(by, filters), filters.view))
    ids = [key for key, _ in rows]
    total = len(ids)
    if listing_id in ids:
        at = ids.index(listing_id)
        return Neighbours(ids[at - 1] if at else None, ids[at + 1] if at + 1 < total else None, at + 1, total)
    own = _keys(select(Listing).where(Listing.id == listing_id))
    if not own:
        raise NotFound(f"listing {listing_id}")
    after = [key for key, rank in rows if rank > own[0][1]] if _stood_here(own[0][1], filters) else []
    return Neighbours(None, after[0] if after else ids[0] if ids else None, 0, total)


def _found(by: User, filters: QueueFilters) -> Select[Any]:
    if not rights.is_moderator(by):
        raise NotAllowed("not a moderator")
    scope = rights.moderated_by_nation(by) if filters.national else rights.moderated_listings(by)
    not_own = Listing.organisation_id.not_in(rights.organisation_ids(by))
    query = select(Listing).where(scope, not_own, *_conditions(filters))
    return query.where(Listing.id.in_(_saying(query, filters))) if filters.words.strip() else query


def _conditions(filters: QueueFilters) -> list[ColumnElement[bool]]:
    waiting = filters.view is QueueView.WAITING
    conditions = [Listing.state == (ListingState.PENDING if waiting else ListingState.PUBLISHED)]
    if filters.kind is not None:
        conditions.append(Listing.kind == filters.kind)
    if filters.flag:
        conditions.append(_has_flag(filters.flag))
    if filters.domain:
        of_domain = select(Skill.id).where(Skill.domain_slug == filters.domain)
        conditions.append(Listing.skill_id.in_(of_domain))
    if filters.skill_id is not None:
        conditions.append(Listing.skill_id == filters.skill_id)
    if filters.territory:
        conditions.append(Listing.territory_siren == filters.territory)
    if filters.older_than_days:
        since = Listing.submitted_at if waiting else Listing.published_at
        conditions.append(since <= clock.now() - timedelta(days=filters.older_than_days))
    return conditions


def _is_in_a_view() -> ColumnElement[bool]:
    return Listing.state.in_((ListingState.PENDING, ListingState.PUBLISHED))


def _has_flag(name: str) -> ColumnElement[bool]:
    if name == FIRST:
        return _is_first()
    if name == REPORTED:
        return report_cases.is_reported()
    if name == RETURNED:
        return _is_returned()
    # A JSON list, read as text: both databases write it so.
    return cast(Listing.flags, Text).contains(f'"{name}"')


def _is_first() -> ColumnElement[bool]:
    """Say whether nothing of the structure was ever online."""
    other = aliased(Listing)
    shown = exists().where(other.organisation_id == Listing.organisation_id, other.published_at.is_not(None))
    return ~shown


def _is_returned() -> ColumnElement[bool]:
    """Say whether the last decision before the text was sent asked for changes."""
    last = (
        select(cast(ModerationDecision.action, String))
        .where(
            ModerationDecision.listing_id == Listing.id,
            ModerationDecision.decided_at <= Listing.submitted_at,
        )
        .order_by(ModerationDecision.id.desc())
        .limit(1)
        .correlate(Listing)
        .scalar_subquery()
    )
    return func.coalesce(last, "") == DecisionAction.REQUEST_CHANGES.value


def _in_order(query: Select[Any], view: QueueView) -> Select[Any]:
    if view is QueueView.ONLINE:
        return query.order_by(Listing.published_at.desc(), Listing.id.desc())
    return query.order_by(*_rank())


def _rank() -> tuple[Any, ...]:
    return case((_is_returned(), literal(0)), else_=literal(1)), Listing.submitted_at, Listing.id


def _keys(query: Select[Any]) -> list[tuple[int, tuple[Any, ...]]]:
    rows = db.session.execute(query.with_only_columns(*_rank()).limit(LOOKED_THROUGH))
    return [(listing_id, (returned, sent, listing_id)) for returned, sent, listing_id in rows]


def _stood_here(rank: tuple[Any, ...], filters: QueueFilters) -> bool:
    """Say whether a listing of this rank was ever in this order."""
    return filters.view is QueueView.WAITING and rank[1] is not None


def _saying(query: Select[Any], filters: QueueFilters) -> list[int]:
    """Return the ids of those that say all the words, accents and capitals apart."""
    words = fold(filters.words[:WORDS_MAX]).split()
    texts = (
        _in_order(query, filters.view)
        .join(Organisation, Organisation.id == Listing.organisation_id)
        .with_only_columns(Listing.id, Listing.title, Listing.description, Organisation.name)
        .limit(LOOKED_THROUGH)
    )
    return [
        key
        for key, *told in db.session.execute(texts)
        if all(word in text for text in [fold(" ".join(told))] for word in words)
    ]


def _items(listings: Sequence[Listing]) -> list[QueueItem]:
    """Return the listings with what the desk adds to them, in a fixed number of queries."""
    ids = [listing.id for listing in listings]
    flagged = _computed_flags(ids)
    asked = _last_decisions([key for key in ids if RETURNED in flagged[key]])
    labels = differences.skill_labels(decision.snapshot for decision in asked.values())
    return [
        QueueItem(
            listing=listing,
            version=moderation.version_of(listing),
            flags=[name for name in FLAGS if name in listing.flags or name in flagged[listing.id]],
            changes=(
                differences.since(asked[listing.id].snapshot, listing, labels) if listing.id in asked else ()
            ),
            actions=_actions(listing),
        )
        for listing in listings
    ]


def _actions(listing: Listing) -> list[DecisionAction]:
    return [action for action, (sources, _) in moderation.MOVES.items() if listing.state in sources]


def _computed_flags(ids: Collection[int]) -> Mapping[int, frozenset[str]]:
    query = select(
        Listing.id,
        _is_first(),
        report_cases.is_reported(),
        and_(Listing.state == ListingState.PENDING, _is_returned()),
    ).where(Listing.id.in_(ids))
    return {
        key: frozenset(name for name, holds in zip((FIRST, REPORTED, RETURNED), told, strict=True) if holds)
        for key, *told in db.session.execute(query)
    }


def _last_decisions(ids: Collection[int]) -> dict[int, ModerationDecision]:
    last = select(func.max(ModerationDecision.id)).where(ModerationDecision.listing_id.in_(ids))
    query = select(ModerationDecision).where(
        ModerationDecision.id.in_(last.group_by(ModerationDecision.listing_id))
    )
    return {d.listing_id: d for d in db.session.scalars(query) if d.listing_id is not None}
