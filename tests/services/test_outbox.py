"""The outbox: written with the act, sent later, once."""

from pathlib import Path

import pytest
from sqlalchemy import delete, select

from marketplace import settings
from marketplace.adapters import mail
from marketplace.models import MailState, OutboxMail
from marketplace.services import accounts, rounds
from marketplace.services import outbox as service
from marketplace.services.work import unit_of_work
from tests.support.services import mail_service
from tests.support.threads import at_once, in_a_thread


@pytest.fixture
def queued(app, market, db_session):
    """Queue a message to somebody, and return it."""
    person = market.user()
    with unit_of_work() as work:
        work.mail("password_changed", to=person)
    return db_session.scalar(select(OutboxMail).where(OutboxMail.recipient == person.email))


def files(app):
    return sorted(Path(app.config["MAIL_FOLDER"]).glob("*"))


def test_a_message_is_delivered_once(app, queued):
    assert service.deliver() == 1
    assert service.deliver() == 0
    assert len(files(app)) == 1


def test_a_message_has_a_text_and_an_html_part(queued):
    assert queued.subject
    assert "<html" in queued.html
    assert "<" not in queued.text


def test_an_act_that_fails_sends_nothing(market, db_session):
    person = market.user()
    with pytest.raises(RuntimeError), unit_of_work() as work:
        work.mail("password_changed", to=person)
        raise RuntimeError

    assert service.deliver() == 0


def test_a_server_that_is_down_is_tried_again_later(queued, db_session, clock, monkeypatch):
    def refuse(*_args):
        raise mail.MailFailed("connection refused", permanent=False)

    with monkeypatch.context() as broken:
        broken.setattr(mail, "send", refuse)
        assert service.deliver() == 0
    assert service.deliver() == 0  # not before its time

    clock.move(minutes=2)
    assert service.deliver() == 1


def test_a_refused_address_is_given_up_at_once(queued, db_session, clock, monkeypatch):
    def refuse(*_args):
        raise mail.MailFailed("no such mailbox", permanent=True)

    monkeypatch.setattr(mail, "send", refuse)
    service.deliver()
    db_session.refresh(queued)

    assert queued.state is MailState.FAILED
    assert "no such mailbox" in queued.last_error


def test_a_message_that_never_goes_through_ends_as_failed(queued, db_session, clock, monkeypatch):
    def refuse(*_args):
        raise mail.MailFailed("down", permanent=False)

    monkeypatch.setattr(mail, "send", refuse)
    for _ in range(len(service.RETRY_AFTER) + 1):
        service.deliver()
        clock.move(days=1)
    db_session.refresh(queued)

    assert queued.state is MailState.FAILED


def test_workers_at_the_same_time_send_each_message_once(app, market):
    people = [market.user() for _ in range(12)]
    with unit_of_work() as work:
        work.mail("password_changed", to=people)
    addresses = sorted(person.email for person in people)
    with mail_service() as server:
        app.config |= {"MAIL_BACKEND": "smtp", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": server.port}
        sent = at_once(app, *[service.deliver] * 3)

    assert sum(sent) == 12
    assert sorted(message["To"] for message in server.received) == addresses


def test_a_message_that_one_worker_sends_is_not_taken_by_another_meanwhile(queued, monkeypatch):
    meanwhile = []
    send = mail.send

    def send_slowly(*args):
        meanwhile.append(service.deliver())
        send(*args)

    monkeypatch.setattr(mail, "send", send_slowly)

    assert service.deliver() == 1
    assert meanwhile == [0]


def test_a_message_whose_worker_died_is_sent_by_another_later(queued, clock, monkeypatch):
    def die(*_args):
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(mail, "send", die)
        with pytest.raises(SystemExit):
            service.deliver()
    assert service.deliver() == 0

    clock.move(seconds=service.CLAIMED_FOR.total_seconds())
    assert service.deliver() == 1


def test_a_message_is_not_claimed_again_before_a_slow_server_must_have_answered():
    # Connection, greeting twice around STARTTLS, login by three mechanisms, sender, recipient, message, end.
    longest = 12 * settings.BOUNDS["SMTP_TIMEOUT_SECONDS"][1]

    assert service.CLAIMED_FOR.total_seconds() > longest


def test_the_oldest_message_goes_first(app, market, clock, db_session):
    first, second = market.user(), market.user()
    for person in (first, second):
        with unit_of_work() as work:
            work.mail("password_changed", to=person)
        clock.move(minutes=1)

    assert service.deliver(limit=1) == 1
    assert (
        db_session.scalar(select(OutboxMail.state).where(OutboxMail.recipient == first.email))
        is MailState.SENT
    )


def test_a_message_taken_back_while_it_is_sent_does_not_stop_the_worker(queued, db_session, monkeypatch):
    def take_back(*_args):
        with unit_of_work() as work:
            work.session.execute(delete(OutboxMail))

    monkeypatch.setattr(mail, "send", take_back)

    assert service.deliver() == 1
    assert service.deliver() == 0


def test_a_worker_with_nothing_to_send_does_not_wait_for_those_who_write(app):
    with unit_of_work() as work:
        work.session.execute(delete(OutboxMail))
        assert in_a_thread(app, service.deliver) == 0


def test_messages_are_forgotten_a_month_after_they_were_sent(queued, clock):
    service.deliver()
    clock.move(days=30)
    assert service.forget_old() == 0
    clock.move(seconds=1)
    assert service.forget_old() == 1


def test_messages_that_could_not_be_sent_are_forgotten_too(queued, clock, monkeypatch):
    def refuse(*_args):
        raise mail.MailFailed("no such mailbox", permanent=True)

    monkeypatch.setattr(mail, "send", refuse)
    service.deliver()
    clock.move(days=31)
    assert service.forget_old() == 1


def test_a_message_that_still_waits_is_never_forgotten(queued, clock):
    clock.move(days=31)
    assert service.forget_old() == 0


def test_a_link_that_somebody_waits_for_passes_before_the_mail_of_a_round(market, outbox):
    market.need(), market.offer()
    rounds.run()
    person = market.user(confirmed=False)
    accounts.resend_confirmation(person.email, address="203.0.113.7")

    service.deliver(limit=1)

    assert [mail.recipient for mail in outbox.all() if mail.state is MailState.SENT] == [person.email]
