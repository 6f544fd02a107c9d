"""What holds for every table: closed lists, references, instants."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Enum, Table, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError

from marketplace import clock as site_clock
from marketplace.extensions import db
from marketplace.models import (
    DecisionAction,
    ExchangeCircle,
    ListingDraft,
    ListingKind,
    MatchingRound,
    MatchOrigin,
    MatchState,
    ModerationDecision,
    OutboxMail,
    User,
)
from tests.support import audit_log
from tests.support.builders import RENNES_METROPOLE


@pytest.fixture
def one_of_each(market) -> list[Table]:
    """Write a row into every table, and return the tables."""
    now = site_clock.now()
    moderator, user = market.moderator(), market.user()
    ran = MatchingRound(
        started_at=now,
        finished_at=now,
        territory_siren=RENNES_METROPOLE,
        started_by_id=user.id,
        policy={},
        figures={},
    )
    keep(ran)
    circle = keep(ExchangeCircle(round_id=ran.id, size=2))
    match = market.match(
        need=market.need(extra_skills=["tableur"]),
        state=MatchState.DECLINED,
        origin=MatchOrigin.CIRCLE,
        circle_id=circle.id,
        round_id=ran.id,
        started_by_id=user.id,
    )
    keep(
        ModerationDecision(
            listing_id=match.need_id,
            moderator_id=moderator.id,
            territory_siren=RENNES_METROPOLE,
            action=DecisionAction.APPROVE,
            snapshot={},
        )
    )
    audit_log.write(actor_id=user.id)
    keep(ListingDraft(token="t", kind=ListingKind.NEED, user_id=user.id, data={}))
    keep(OutboxMail(recipient="a@b.example", template="t", subject="s", text="t", html="h"))
    return db.metadata.sorted_tables


def keep(row):
    db.session.add(row)
    db.session.commit()
    return row


def accepted(table: Table, column: str, value: object) -> bool:
    """Say whether the database takes this value in this column of all rows of the table."""
    try:
        with db.session.begin_nested():
            statement = text(f'UPDATE "{table.name}" SET "{column}" = :value')
            return db.session.execute(statement, {"value": value}).rowcount != 0
    except IntegrityError:
        return False


def test_no_state_or_kind_outside_its_closed_list(one_of_each):
    lists = [(table, c.name) for table in one_of_each for c in table.columns if isinstance(c.type, Enum)]
    assert len(lists) > 15
    assert [f"{table.name}.{name}" for table, name in lists if accepted(table, name, "nonsense")] == []


def test_no_reference_to_a_row_that_is_not_there(one_of_each):
    references = [(table, key.parent) for table in one_of_each for key in table.foreign_keys]
    assert len(references) > 40
    missing = {str: "?", int: -1}
    assert [
        f"{table.name}.{column.name}"
        for table, column in references
        if not isinstance(column.type, Enum)
        and accepted(table, column.name, missing[column.type.python_type])
    ] == []


def test_an_instant_without_its_offset_is_refused(market):
    with pytest.raises(StatementError, match="naive datetime"):
        market.user().email_confirmed_at = datetime(2026, 5, 4)
        db.session.commit()
    db.session.rollback()


def test_an_instant_comes_back_in_utc_whatever_its_offset(market):
    user = market.user()
    user.email_confirmed_at = datetime(2026, 5, 4, 14, tzinfo=timezone(timedelta(hours=2)))
    db.session.commit()
    assert user.email_confirmed_at == datetime(2026, 5, 4, 12, tzinfo=UTC)
    assert user.email_confirmed_at.utcoffset() == timedelta(0)


def test_an_instant_is_compared_as_an_instant(market):
    user = market.user()
    user.email_confirmed_at = datetime(2026, 5, 4, 12, tzinfo=UTC)
    db.session.commit()
    paris = timezone(timedelta(hours=2))
    before, after = datetime(2026, 5, 4, 13, 59, tzinfo=paris), datetime(2026, 5, 4, 14, 1, tzinfo=paris)
    between = select(User.id).where(User.email_confirmed_at > before, User.email_confirmed_at < after)
    assert db.session.scalar(between) == user.id


def test_a_row_says_when_it_was_made_and_when_it_last_changed(market, clock):
    user = market.user()
    made = user.created_at
    clock.move(hours=1)
    db.session.execute(update(User).where(User.id == user.id).values(name="Nour"))
    db.session.commit()
    assert (user.created_at, user.updated_at) == (made, made + timedelta(hours=1))
