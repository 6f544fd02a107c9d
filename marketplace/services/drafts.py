"""What somebody typed in a publishing form and could not send yet: errors, or no account.

A draft belongs to a person, or to whoever holds its token until a person takes it up.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import and_, delete, false, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import ListingDraft, ListingKind, User
from marketplace.services import throttle
from marketplace.services.tokens import HOUR
from marketplace.services.work import unit_of_work

KEPT = timedelta(days=30)
# Far above what a form accepts: enough to shorten a text, too little to fill the disk.
TEXT_MAX = 20_000
VALUES_MAX = 20


def find(kind: ListingKind, *, tokens: Collection[str], by: User | None) -> ListingDraft | None:
    """Return the latest draft of this kind that the person or the holder of the tokens may read."""
    return _latest(kind, tokens, by)


def keep(
    kind: ListingKind, typed: Mapping[str, Sequence[str]], *, token: str, by: User | None, address: str
) -> str:
    """Keep the values of each field in place of what was kept before. Returns the token that finds them.

    `token`: the one that this visitor was given before, or ""; never one that came in a link, whose sender
    could read what is kept. `address`: the network address that asks, for the limit. Raises TooManyAttempts.
    """
    throttle.count_attempt(f"draft:{address}", limit=300, seconds=HOUR)
    data = {name: [value[:TEXT_MAX] for value in values[:VALUES_MAX]] for name, values in typed.items()}
    try:
        return _keep(kind, data, token=token, by=by)
    except IntegrityError:  # the same form sent twice at once: now the draft is there
        return _keep(kind, data, token=token, by=by)


def forget(kind: ListingKind, *, tokens: Collection[str], by: User | None) -> None:
    """Delete what was kept: it is sent, or no longer wanted."""
    with unit_of_work() as work:
        work.session.execute(delete(ListingDraft).where(_readable(kind, tokens, by)))


def forget_old() -> int:
    """Delete the drafts that nobody touched for a month. Returns how many."""
    with unit_of_work() as work:
        old = delete(ListingDraft).where(ListingDraft.updated_at < clock.now() - KEPT)
        return int(work.session.execute(old).rowcount)  # type: ignore[attr-defined]


def _keep(kind: ListingKind, data: dict[str, list[str]], *, token: str, by: User | None) -> str:
    with unit_of_work() as work:
        draft = _latest(kind, [token], by, lock=True)
        if draft is None:
            draft = ListingDraft(kind=kind, token=secrets.token_urlsafe(32))
        else:  # a person has one draft of a kind: theirs from before gives way to what they typed since
            others = delete(ListingDraft).where(_readable(kind, [token], by), ListingDraft.id != draft.id)
            work.session.execute(others)
        draft.user_id = by.id if by else None
        draft.data, draft.updated_at = data, clock.now()
        work.add(draft)
        return str(draft.token)


def _latest(
    kind: ListingKind, tokens: Collection[str], by: User | None, *, lock: bool = False
) -> ListingDraft | None:
    query = select(ListingDraft).where(_readable(kind, tokens, by)).limit(1)
    query = query.order_by(ListingDraft.updated_at.desc(), ListingDraft.id.desc())
    return db.session.scalar(query.with_for_update() if lock else query)


def _readable(kind: ListingKind, tokens: Collection[str], by: User | None) -> ColumnElement[bool]:
    own: ColumnElement[bool] = ListingDraft.user_id == by.id if by else false()
    held = and_(ListingDraft.token.in_(tokens), or_(ListingDraft.user_id.is_(None), own))
    return and_(ListingDraft.kind == kind, or_(own, held))
