"""Decisions, the audit log and the outbox: the rows that the database refuses."""

import pytest
from sqlalchemy import select, text

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    DecisionAction,
    DecisionGround,
    MailState,
    ModerationDecision,
    OutboxMail,
    Territory,
)
from tests.support import audit_log
from tests.support.builders import RENNES_METROPOLE
from tests.support.refusals import refused


def decide(market, action: DecisionAction, **fields) -> ModerationDecision:
    decision = ModerationDecision(listing_id=market.need().id, action=action, snapshot={}, **fields)
    db.session.add(decision)
    db.session.commit()
    return decision


@pytest.mark.parametrize("action", ["request_changes", "reject", "remove"])
@pytest.mark.parametrize("reasons", [{"facts": "Le texte…"}, {"ground": DecisionGround.UNCLEAR}])
def test_a_decision_against_a_listing_names_its_rule_and_its_facts(market, action, reasons):
    with refused("adverse_has_reasons"):
        decide(market, DecisionAction(action), **reasons)


def test_an_approval_needs_no_reason(market):
    assert decide(market, DecisionAction.APPROVE).ground is None


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"action": DecisionAction.SUSPEND, "listing": True}, "suspends_organisations"),
        ({"action": DecisionAction.REMOVE, "organisation": True}, "suspends_organisations"),
        ({"action": DecisionAction.SUSPEND, "organisation": True, "listing": True}, "one_subject"),
        ({"action": DecisionAction.APPROVE}, "one_subject|suspends_organisations"),
        ({"action": DecisionAction.RESTORE, "listing": True}, "restore_reverses"),
    ],
)
def test_a_decision_is_about_one_thing_that_it_can_be_about(market, fields, constraint):
    reasons = {"ground": DecisionGround.UNCLEAR, "facts": "Le texte…", "snapshot": {}}
    subject = {
        "listing_id": market.need().id if fields.get("listing") else None,
        "organisation_id": market.organisation().id if fields.get("organisation") else None,
    }
    db.session.add(ModerationDecision(action=fields["action"], **subject, **reasons))
    with refused(constraint):
        db.session.commit()


def test_a_decision_is_taken_back_once(market):
    listing = market.need()
    first = market.rejection(listing)
    for _ in range(2):
        db.session.add(
            ModerationDecision(
                listing_id=listing.id, action=DecisionAction.RESTORE, reverses_id=first.id, snapshot={}
            )
        )
    with refused("reverses_id"):
        db.session.commit()


def test_a_decision_outlives_its_moderator(market):
    moderator = market.moderator()
    decision = decide(market, DecisionAction.APPROVE, moderator_id=moderator.id)
    db.session.execute(text('DELETE FROM "user" WHERE id = :id'), {"id": moderator.id})
    db.session.commit()
    db.session.refresh(decision)
    assert decision.moderator_id is None


def test_an_audit_line_outlives_its_actor_unchanged(market):
    user = market.user()
    number = user.id
    line = audit_log.write(actor_id=user.id)
    db.session.execute(text('DELETE FROM "user" WHERE id = :id'), {"id": user.id})
    db.session.commit()
    db.session.refresh(line)
    assert (line.actor_id, line.action) == (number, "a.b")


def test_an_audit_line_without_a_before_holds_nothing_there(market):
    audit_log.write(before=None, after={"é": 1})
    assert db.session.scalars(select(AuditEntry).where(AuditEntry.before.is_(None))).one().after == {"é": 1}


def mail(**fields) -> OutboxMail:
    row = OutboxMail(recipient="a@b.example", template="t", subject="s", text="t", html="h", **fields)
    db.session.add(row)
    db.session.commit()
    return row


def test_what_is_sent_has_the_date_it_was(app):
    with refused("sent_has_date"):
        mail(state=MailState.SENT)


def test_what_waits_was_not_sent(app):
    with refused("sent_has_date"):
        mail(state=MailState.WAITING, sent_at=clock.now())


@pytest.mark.parametrize("radius", [-1, 201])
def test_the_default_radius_of_a_territory_is_bounded(app, radius):
    territory = db.session.get_one(Territory, RENNES_METROPOLE)
    territory.default_radius_km = radius
    with refused("default_radius_bounds"):
        db.session.commit()
