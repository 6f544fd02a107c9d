"""Sending what the outbox holds. A message is sent at least once, and never by two workers at a time."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import delete, exists, select, update

from marketplace import clock
from marketplace.adapters import mail
from marketplace.extensions import db
from marketplace.models import MailState, OutboxMail
from marketplace.services.work import unit_of_work

# Waits before each new try: a server that is down for a night must not lose a message.
RETRY_AFTER = tuple(timedelta(minutes=m) for m in (1, 5, 30, 120, 360, 720))
# While a worker sends a message no other tries it. Longer than a mail server may take (SMTP_TIMEOUT_SECONDS).
CLAIMED_FOR = timedelta(minutes=15)
KEPT = timedelta(days=30)
# Messages tried in one go, so that the other jobs have their turn.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Claim:
    """A message taken by this worker; `attempt` counts from 1."""

    message_id: int
    attempt: int
    letter: mail.Letter


def deliver(limit: int = BATCH) -> int:
    """Try up to `limit` messages that are due, oldest first, bulk mail last. Returns how many were sent."""
    sent = 0
    for _ in range(limit):
        claim = _claim()
        if claim is None:
            break
        sent += _send(claim)
    return sent


def forget_old() -> int:
    """Delete messages sent, or given up, long ago: they hold personal data. Returns how many."""
    with unit_of_work() as work:
        old = delete(OutboxMail).where(
            OutboxMail.state != MailState.WAITING, OutboxMail.created_at < clock.now() - KEPT
        )
        return int(work.session.execute(old).rowcount)  # type: ignore[attr-defined]


def _claim() -> Claim | None:
    """Take the next message that is due, if any. One whose worker died is due again once CLAIMED_FOR is over.

    The lock ends before the mail server is asked: it may take seconds to answer.
    """
    due = OutboxMail.state == MailState.WAITING, OutboxMail.send_after <= clock.now()
    if not db.session.scalar(select(exists().where(*due))):  # a plain look: an idle worker writes nothing
        return None
    with unit_of_work() as work:
        message = work.session.scalar(
            select(OutboxMail)
            .where(*due)
            .order_by(OutboxMail.is_bulk, OutboxMail.send_after, OutboxMail.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if message is None:
            return None
        message.send_after = clock.now() + CLAIMED_FOR
        message.attempts += 1
        letter = mail.Letter(
            to=message.recipient,
            subject=message.subject,
            text=message.text,
            html=message.html,
            unsubscribe_url=message.unsubscribe_url,
        )
        return Claim(message.id, message.attempts, letter)


def _send(claim: Claim) -> bool:
    try:
        mail.send(claim.letter, mail.from_config(current_app.config))
    except mail.MailFailed as error:
        current_app.logger.warning("mail %s not sent: %s", claim.message_id, error)
        _note_failure(claim, error)
        return False
    _note(claim, state=MailState.SENT, sent_at=clock.now(), last_error="")
    return True


def _note_failure(claim: Claim, error: mail.MailFailed) -> None:
    told = str(error)[:500]
    if error.permanent or claim.attempt > len(RETRY_AFTER):
        _note(claim, state=MailState.FAILED, last_error=told)
    else:
        _note(claim, send_after=clock.now() + RETRY_AFTER[claim.attempt - 1], last_error=told)


def _note(claim: Claim, **values: Any) -> None:
    """Write the outcome, if the message is still there: its person may have left meanwhile."""
    with unit_of_work() as work:
        work.session.execute(update(OutboxMail).where(OutboxMail.id == claim.message_id).values(**values))
