"""Counting attempts per key and time window, in the database: every worker process sees the same count."""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import AttemptCounter
from marketplace.services.errors import TooManyAttempts
from marketplace.services.work import unit_of_work


def count_attempt(key: str, *, limit: int, seconds: int) -> None:
    """Count one attempt of `key` in the current window of `seconds`, committed at once.

    Raises TooManyAttempts when there were already `limit`.
    """
    now = clock.now()
    window = int(now.timestamp()) // seconds
    dialect: Any = postgresql if db.engine.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(AttemptCounter).values(
        key=key[:120], window=window, count=1, expires_at=now + timedelta(seconds=seconds)
    )
    statement = statement.on_conflict_do_update(
        index_elements=["key", "window"], set_={"count": AttemptCounter.count + 1}
    ).returning(AttemptCounter.count)
    with unit_of_work() as work:
        count: int = work.session.execute(statement).scalar_one()
    if count > limit:
        raise TooManyAttempts((window + 1) * seconds - int(now.timestamp()))


def forget_old() -> int:
    """Delete the counters of past windows. Returns how many."""
    with unit_of_work() as work:
        old = delete(AttemptCounter).where(AttemptCounter.expires_at < clock.now())
        return int(work.session.execute(old).rowcount)  # type: ignore[attr-defined]
