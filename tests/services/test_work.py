"""The unit of work: all of an act or nothing of it, alone while it writes."""

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from marketplace.extensions import db
from marketplace.models import AuditEntry, JobRun, Listing, OutboxMail, User
from marketplace.services.errors import NotFound
from marketplace.services.work import unit_of_work
from tests.support.threads import at_once, in_a_thread


def count(model) -> int:
    return db.session.scalar(select(func.count()).select_from(model))


def test_rows_mail_and_audit_lines_are_written_together(market):
    user = market.user()
    with unit_of_work() as work:
        work.lock(User, user.id).name = "Nour Bois"
        work.mail("password_changed", to=user)
        work.audit("user.profile_changed", user, by=user, before={"name": user.name}, reason="asked")
    line = db.session.scalars(select(AuditEntry)).one()
    assert (user.name, count(OutboxMail)) == ("Nour Bois", 1)
    assert (line.actor_id, line.subject_type, line.subject_id, line.reason) == (
        user.id,
        "user",
        str(user.id),
        "asked",
    )


def test_an_error_undoes_everything(market):
    user = market.user(name="Nour")
    with pytest.raises(ZeroDivisionError), unit_of_work() as work:
        work.lock(User, user.id).name = "Somebody else"
        work.mail("password_changed", to=user)
        work.audit("user.profile_changed", user, by=user)
        raise ZeroDivisionError
    assert (user.name, count(OutboxMail), count(AuditEntry)) == ("Nour", 0, 0)


def test_after_an_error_the_next_act_works(market):
    user = market.user()
    with pytest.raises(IntegrityError), unit_of_work() as work:
        work.add(User(email=user.email, name="x", password_hash="x"))
    with unit_of_work() as work:
        work.lock(User, user.id).name = "Nour"
    assert user.name == "Nour"


def test_what_is_not_there_cannot_be_locked(app):
    with pytest.raises(NotFound, match="Listing 7"), unit_of_work() as work:
        work.lock(Listing, 7)


def test_rules_decide_on_fresh_rows_not_on_those_read_before(app, market):
    user = market.user(name="Before")
    assert user.name == "Before"

    def rename() -> None:
        with unit_of_work() as work:
            work.lock(User, key).name = "After"

    key = user.id
    at_once(app, rename)
    with unit_of_work() as work:
        assert work.lock(User, key).name == "After"


def test_an_act_inside_an_act_is_part_of_it(market):
    user = market.user(name="Before")
    with pytest.raises(ZeroDivisionError), unit_of_work():
        with unit_of_work() as inner:
            inner.lock(User, user.id).name = "After"
        raise ZeroDivisionError
    assert user.name == "Before"


def test_an_act_whose_inner_act_failed_is_not_committed_half(market):
    user = market.user(name="Before")
    with pytest.raises(RuntimeError, match="swallowed"), unit_of_work():
        try:
            with unit_of_work() as inner:
                inner.lock(User, user.id).name = "After"
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    assert user.name == "Before"


def test_rows_changed_outside_an_act_are_not_lost_in_silence(market):
    market.user().name = "Changed by a route"
    with pytest.raises(RuntimeError, match="outside a unit of work"), unit_of_work():
        pass
    db.session.rollback()


def test_people_who_write_the_same_row_at_once_wait_for_each_other(app, market):
    """Read, compute, write: without the lock, one of the two would be lost (on SQLite: refused)."""
    key = market.user(name="0").id

    def add_one() -> None:
        with unit_of_work() as work:
            user = work.lock(User, key)
            user.name = str(int(user.name) + 1)

    assert at_once(app, *[add_one] * 8) == [None] * 8
    assert db.session.get_one(User, key).name == "8"


def test_a_reader_does_not_wait_for_a_writer(app, market):
    key = market.user(name="Before").id
    with unit_of_work() as work:
        work.lock(User, key).name = "After"
        db.session.flush()
        assert in_a_thread(app, lambda: db.session.get_one(User, key).name) == "Before"


def test_many_writers_at_once_are_all_served(app):
    """On SQLite a writer takes its lock at the beginning: none is told that the database is locked."""

    def write(number: int):
        def act() -> None:
            for turn in range(5):
                with unit_of_work() as work:
                    work.session.scalar(
                        select(func.count()).select_from(JobRun)
                    )  # reads first, as services do
                    work.session.execute(
                        text("INSERT INTO job_run (name, last_run_at) VALUES (:name, '2026-05-04 12:00:00')"),
                        {"name": f"{number}.{turn}"},
                    )

        return act

    assert at_once(app, *(write(number) for number in range(8))) == [None] * 8
    assert count(JobRun) == 40


def test_an_audit_line_names_a_subject_with_two_keys(market):
    moderator = market.moderator()
    (role,) = moderator.territory_roles
    with unit_of_work() as work:
        work.audit("role.given", role, by=None, territory=role.territory_siren)
    line = db.session.scalars(select(AuditEntry)).one()
    assert (line.actor_id, line.subject_id) == (None, f"{moderator.id}/{role.territory_siren}")
