"""Reports, cases and appeals: the rows that the database refuses."""

import pytest

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import AppealOutcome, CaseOutcome, Report, ReportCategory
from tests.support.refusals import refused


def test_a_case_is_about_one_thing(market):
    with refused("one_subject"):
        market.case(market.offer(), listing_id=None)
    with refused("one_subject"):
        market.case(market.offer(), organisation_id=market.organisation().id)


@pytest.mark.parametrize("kind", ["listing", "organisation"])
def test_one_thing_has_one_open_case(market, kind):
    subject = market.offer() if kind == "listing" else market.organisation()
    market.case(subject)
    with refused(rf"ix_report_case_open_{kind}|report_case\.{kind}_id"):
        market.case(subject)


def test_a_closed_case_lets_another_open(market):
    listing = market.offer()
    market.case(listing, closed_at=clock.now(), outcome=CaseOutcome.NO_ACTION, reasons="Rien.")
    assert market.case(listing).id


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"closed_at": True}, "closed_has_outcome"),
        ({"outcome": CaseOutcome.NO_ACTION, "reasons": "Rien."}, "closed_has_outcome"),
        ({"closed_at": True, "outcome": CaseOutcome.NO_ACTION}, "none_has_reasons"),
        ({"closed_at": True, "outcome": CaseOutcome.ACTION}, "action_has_decision"),
    ],
)
def test_a_closed_case_says_how_it_ended(market, fields, rule):
    if "closed_at" in fields:
        fields = fields | {"closed_at": clock.now()}
    with refused(rule):
        market.case(market.offer(), **fields)


def test_nobody_reports_twice_in_one_case(market):
    case = market.case(market.offer())
    first = market.report_of(case)
    again = Report(
        case_id=case.id, category=ReportCategory.OTHER, explanation="Encore.", name="", email=first.email
    )
    db.session.add(again)
    with refused(r"uq_report_case_id_email|report\.case_id, report\.email"):
        db.session.commit()


def test_one_person_does_not_judge_twice(market):
    moderator = market.moderator()
    decision = market.rejection(market.need(), by=moderator)
    with refused("another_person"):
        market.appeal(
            decision,
            decided_by_id=moderator.id,
            decided_at=clock.now(),
            outcome=AppealOutcome.UPHELD,
            reasons="La même personne.",
        )


def test_a_decision_has_one_appeal(market):
    decision = market.rejection(market.need())
    market.appeal(decision)
    with refused(r"uq_appeal_decision_id|appeal\.decision_id"):
        market.appeal(decision)


def test_an_answered_appeal_has_its_reasons(market):
    with refused("outcome_has_reasons"):
        market.appeal(market.rejection(market.need()), decided_at=clock.now(), outcome=AppealOutcome.UPHELD)


def test_cases_and_appeals_outlive_who_decided(market):
    moderator, other = market.moderator(), market.moderator()
    case = market.case(
        market.offer(),
        closed_at=clock.now(),
        closed_by_id=moderator.id,
        outcome=CaseOutcome.NO_ACTION,
        reasons="Rien.",
    )
    appeal = market.appeal(
        market.rejection(market.need(), by=moderator),
        decided_by_id=other.id,
        decided_at=clock.now(),
        outcome=AppealOutcome.UPHELD,
        reasons="Elle tient.",
    )
    for person in (moderator, other):
        db.session.delete(person)
    db.session.commit()
    db.session.expire_all()

    assert (case.closed_by_id, appeal.first_decider_id, appeal.decided_by_id) == (None, None, None)
