"""The outbox: written with the act, sent later, once."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from marketplace.adapters import mail
from marketplace.models import MailState, OutboxMail
from marketplace.services import outbox as service
from marketplace.services.work import unit_of_work


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


def test_sent_messages_are_forgotten_after_a_month(queued, db_session, clock):
    service.deliver()
    clock.move(days=service.KEPT / timedelta(days=1) + 1)

    assert service.forget_old() == 1
