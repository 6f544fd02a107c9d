"""The audit log: a chain that nobody can change unseen, and who reads what of it."""

from datetime import date, timedelta

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from marketplace.extensions import db
from marketplace.models import AuditEntry, AuditHead, User, audit_guard
from marketplace.models.audit import NO_HASH
from marketplace.services import audit
from marketplace.services.audit import Filters
from marketplace.services.errors import NotAllowed
from marketplace.services.work import unit_of_work
from tests.support import audit_log
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE
from tests.support.refusals import refused
from tests.support.threads import at_once


def act(user, action="user.profile_changed", **more):
    """Write one line by an act of the site."""
    with unit_of_work() as work:
        work.audit(action, work.lock(User, user.id), by=user, **more)


def lines():
    db.session.rollback()
    return list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


@pytest.fixture
def three(market):
    """Three lines of one person."""
    user = market.user()
    for number in range(3):
        act(user, before={"number": number, "é": 1.5}, after=None, reason="parce que…")
    return lines()


def behind_the_guard(statement):
    with audit_log.behind_the_guard():
        db.session.execute(statement)


# ---- the database itself ----


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET reason = 'x'",
        "UPDATE audit_entry SET id = id + 100",
        "DELETE FROM audit_entry",
        "DELETE FROM audit_entry WHERE action = 'user.profile_changed'",
    ],
)
def test_no_statement_changes_or_deletes_a_line(three, statement):
    with refused(audit_guard.MESSAGE):
        db.session.execute(text(statement))
    assert len(lines()) == 3


def test_no_statement_replaces_a_line(app, three):
    if db.engine.dialect.name == "sqlite":
        replace = (
            "INSERT OR REPLACE INTO audit_entry (id, at, action, subject_type, subject_id, reason, "
            "previous_hash, hash) SELECT id, at, 'x', 'x', '1', '', '0', '0' FROM audit_entry"
        )
    else:
        replace = "TRUNCATE audit_entry"
    with refused(audit_guard.MESSAGE):
        db.session.execute(text(replace))
    assert [line.action for line in lines()] == ["user.profile_changed"] * 3


@pytest.mark.parametrize("app", ["postgres"], indirect=True)  # it alone has sessions without triggers
def test_the_guard_holds_for_a_replicas_session_too(app, three):
    db.session.execute(text("SET LOCAL session_replication_role = replica"))
    with refused(audit_guard.MESSAGE):
        db.session.execute(text("DELETE FROM audit_entry"))


def test_two_lines_never_follow_the_same_one(three):
    copied = {
        name: getattr(three[-1], name) for name in ("at", "action", "subject_type", "subject_id", "hash")
    }
    with pytest.raises(IntegrityError):
        db.session.execute(insert(AuditEntry).values(**copied, previous_hash=three[-1].previous_hash))
    db.session.rollback()


# ---- the chain ----


def test_each_line_follows_the_one_before(three):
    assert [line.previous_hash for line in three] == [NO_HASH, three[0].hash, three[1].hash]
    head = db.session.scalars(select(AuditHead)).one()
    assert (head.entries, head.hash) == (3, three[-1].hash)
    assert audit.verify() == audit.Verification(3, three[-1].hash)


def test_an_empty_log_is_right(app):
    assert audit.verify() == audit.Verification(0, NO_HASH)


def test_an_act_that_fails_leaves_no_line_and_the_chain_right(market, three):
    user = market.user()
    with pytest.raises(ZeroDivisionError), unit_of_work() as work:
        work.audit("user.profile_changed", work.lock(User, user.id), by=user)
        raise ZeroDivisionError
    assert (len(lines()), audit.verify().wrong) == (3, None)


def test_acts_at_the_same_instant_make_one_chain(app, market):
    keys = [market.user().id for _ in range(6)]

    def acting(key):
        return lambda: act(db.session.get(User, key))

    assert at_once(app, *map(acting, keys)) == [None] * 6
    assert {line.actor_id for line in lines()} == set(keys)
    assert audit.verify().entries == 6
    assert audit.verify().wrong is None


@pytest.mark.parametrize(
    "changed",
    [
        {"reason": "autre chose"},
        {"actor_id": None},
        {"action": "user.confirmed"},
        {"subject_id": "9"},
        {"territory_siren": RENNES_METROPOLE},
        {"before": {"number": 7}},
        {"after": {"number": 7}},
        {"hash": "f" * 64},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_changed_line_is_found(three, changed):
    key = three[1].id
    behind_the_guard(update(AuditEntry).where(AuditEntry.id == key).values(**changed))
    assert audit.verify().wrong == f"row {key}: altered"


def test_a_line_with_another_time_is_found(three):
    key, at = three[0].id, three[0].at + timedelta(seconds=1)
    behind_the_guard(update(AuditEntry).where(AuditEntry.id == key).values(at=at))
    assert audit.verify().wrong == f"row {key}: altered"


@pytest.mark.parametrize("gone", [0, 1])
def test_a_missing_line_is_found_at_the_next(three, gone):
    key, following = three[gone].id, three[gone + 1].id
    behind_the_guard(delete(AuditEntry).where(AuditEntry.id == key))
    assert audit.verify().wrong == f"row {following}: a row is missing or was inserted before it"


def test_a_missing_last_line_is_found(three):
    behind_the_guard(delete(AuditEntry).where(AuditEntry.id == three[-1].id))
    assert audit.verify().wrong == "after the last row: 3 were written, 2 are there"


def test_lines_that_changed_places_are_found(three):
    first, second = three[0].id, three[1].id
    with audit_log.behind_the_guard():
        for key, place in ((first, -1), (second, first), (-1, second)):
            db.session.execute(update(AuditEntry).where(AuditEntry.id == key).values(id=place))
    assert audit.verify().wrong == f"row {first}: a row is missing or was inserted before it"


def test_a_line_put_at_the_end_is_found_even_with_a_right_hash(three):
    forged = AuditEntry(
        at=three[0].at, action="user.made_admin", subject_type="user", subject_id="1", reason="",
        previous_hash=three[-1].hash,
    )  # fmt: skip
    forged.hash = audit._hash(three[-1].hash, forged)
    db.session.add(forged)
    db.session.commit()
    assert audit.verify().wrong == "after the last row: 3 were written, 4 are there"


# ---- reading ----


@pytest.fixture
def written(market):
    """One line in each of two territories and one in none, by three people."""
    people = [market.user(name=name) for name in ("Ève Roux", "Nour Bois", "Pia Sel")]
    for person, siren in zip(people, (RENNES_METROPOLE, LIFFRE_CORMIER, None), strict=True):
        act(person, territory=siren, reason=f"motif de {person.name}")
    return people


def found(filters=None, *, by):
    return [line.actor for line in audit.search(filters or Filters(), by=by, page=1).items]


def test_a_moderator_reads_the_lines_of_their_territories_only(market, written):
    assert found(by=market.moderator(RENNES_METROPOLE)) == ["Ève Roux"]
    assert [line.actor for line in audit.export(Filters(), by=market.moderator(LIFFRE_CORMIER))] == [
        "Nour Bois"
    ]


def test_the_administrator_reads_everything_the_latest_first(market, written):
    assert found(by=market.admin()) == ["Pia Sel", "Nour Bois", "Ève Roux"]


@pytest.mark.parametrize("read", [audit.export, audit.actions, lambda f, by: audit.search(f, by=by, page=1)])
def test_nobody_else_reads_it(market, written, read):
    with pytest.raises(NotAllowed):
        read(*([Filters()] if read is not audit.actions else []), by=written[0])


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (Filters(words="motif NOUR"), ["Nour Bois"]),
        (Filters(words="100%_"), []),
        (Filters(action="user.profile_changed"), ["Pia Sel", "Nour Bois", "Ève Roux"]),
        (Filters(action="user.profile"), []),
        (Filters(actor="sel"), ["Pia Sel"]),
        (Filters(subject="listing"), []),
        (Filters(since=date(2999, 1, 1)), []),
        (Filters(until=date(1999, 1, 1)), []),
    ],
)
def test_the_log_is_searched(market, written, filters, names):
    assert found(filters, by=market.admin()) == names


def test_a_subject_is_found_by_its_number(market, written):
    assert found(Filters(subject=f"user {written[1].id}"), by=market.admin()) == ["Nour Bois"]


def test_days_are_those_of_paris(market, clock):
    clock.set(clock.now.replace(year=2026, month=7, day=1, hour=22, minute=30))  # already the 2nd in Paris
    act(market.user(name="Ève Roux"))
    second, admin = date(2026, 7, 2), market.admin()
    assert found(Filters(since=second, until=second), by=admin) == ["Ève Roux"]
    assert found(Filters(until=date(2026, 7, 1)), by=admin) == []


def test_a_page_outside_the_pages_is_the_nearest(market, written):
    assert audit.search(Filters(), by=market.admin(), page=10**9).number == 1
    assert audit.search(Filters(), by=market.admin(), page=-5).number == 1
