"""Sending what the outbox holds. A message is sent at least once, and never by two workers at a time."""

from datetime import timedelta

from flask import current_app
from sqlalchemy import delete, select

from marketplace import clock
from marketplace.adapters import mail
from marketplace.models import MailState, OutboxMail
from marketplace.services.work import unit_of_work

# Waits before each new try: a server that is down for a night must not lose a message.
RETRY_AFTER = tuple(timedelta(minutes=m) for m in (1, 5, 30, 120, 360, 720))
KEPT = timedelta(days=30)


def deliver(limit: int = 100) -> int:
    """Try up to `limit` messages that are due, oldest first. Returns how many were sent."""
    sent = 0
    for _ in range(limit):
        claimed = _claim()
        if claimed is None:
            break
        sent += _send(*claimed)
    return sent


def forget_old() -> int:
    """Delete messages sent long ago: they hold personal data. Returns how many."""
    with unit_of_work() as work:
        old = delete(OutboxMail).where(OutboxMail.state == MailState.SENT, OutboxMail.sent_at < clock.now() - KEPT)
        return int(work.session.execute(old).rowcount)  # type: ignore[attr-defined]


def _claim() -> tuple[int, mail.Letter] | None:
    """Take the next message: nobody else tries it before its next due time, even if this process dies.

    The lock ends before the mail server is asked: it may take seconds to answer.
    """
    due = (
        select(OutboxMail)
        .where(OutboxMail.state == MailState.WAITING, OutboxMail.send_after <= clock.now())
        .order_by(OutboxMail.send_after, OutboxMail.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    with unit_of_work() as work:
        message = work.session.scalar(due)
        if message is None:
            return None
        message.send_after = clock.now() + RETRY_AFTER[min(message.attempts, len(RETRY_AFTER) - 1)]
        message.attempts += 1
        letter = mail.Letter(
            to=message.recipient, subject=message.subject, text=message.text, html=message.html
        )
        return message.id, letter


def _send(message_id: int, letter: mail.Letter) -> bool:
    try:
        mail.send(letter, mail.from_config(current_app.config))
    except mail.MailFailed as error:
        current_app.logger.warning("mail %s not sent: %s", message_id, error)
        _note_failure(message_id, error)
        return False
    with unit_of_work() as work:
        message = work.lock(OutboxMail, message_id)
        message.state, message.sent_at, message.last_error = MailState.SENT, clock.now(), ""
    return True


def _note_failure(message_id: int, error: mail.MailFailed) -> None:
    with unit_of_work() as work:
        message = work.lock(OutboxMail, message_id)
        message.last_error = str(error)[:500]
        if error.permanent or message.attempts > len(RETRY_AFTER):
            message.state = MailState.FAILED
