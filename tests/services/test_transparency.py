"""The transparency report: each number from rows that the test knows."""

from datetime import datetime, timedelta

import pytest

from marketplace.extensions import db
from marketplace.models import (
    AppealOutcome,
    CaseOutcome,
    DecisionAction,
    DecisionGround,
    ReportCategory,
)
from marketplace.services import transparency
from marketplace.services.errors import NotFound
from marketplace.services.transparency import PARIS, AppealBasis, Detection, FlagFigures
from tests.support.builders import LIFFRE, LIFFRE_CORMIER, RENNES_METROPOLE
from tests.support.builders import PARIS as PARIS_COMMUNE
from tests.support.queries import counted

A, G, D = DecisionAction, DecisionGround, Detection
YEAR = 2026
MIDSUMMER = datetime(YEAR, 6, 21, 12, tzinfo=PARIS)


@pytest.fixture(autouse=True)
def summer(clock):
    clock.set(MIDSUMMER)
    return clock


def sheet(siren=RENNES_METROPOLE, year=YEAR):
    return transparency.sheet(siren, year)


def closed(market, subject, *, days, outcome, **fields):
    """Return a case that took `days` to close."""
    end = MIDSUMMER + timedelta(days=days)
    return market.case(subject, opened_at=MIDSUMMER, closed_at=end, outcome=outcome, **fields)


def test_a_year_without_anything_is_all_zeros_and_no_median(app):
    found = sheet()

    assert (found.notices.by_category, found.notices.cases_opened) == ({}, 0)
    assert found.notices.median_seconds is None
    assert found.restrictions.total() == 0
    assert found.complaints.median_seconds is None
    assert (found.flagged, found.flagged.error_rate, found.flags) == (FlagFigures(0, 0), None, {})
    assert found.is_over is False


def test_notices_are_counted_by_category(market):
    for category in (ReportCategory.ILLEGAL, ReportCategory.OTHER, ReportCategory.OTHER):
        market.case(market.offer(), category=category)

    found = sheet().notices

    assert found.by_category == {ReportCategory.ILLEGAL: 1, ReportCategory.OTHER: 2}
    assert found.cases_opened == 3


def test_what_became_of_notices_is_told_by_law_and_by_charter_with_the_median_time(market):
    law, charter, nothing = market.offer(), market.offer(), market.offer()
    for listing, ground, days in ((law, G.ILLEGAL, 1), (charter, G.COMMERCIAL, 3)):
        decision = market.rejection(listing, action=A.REMOVE, ground=ground, follows_notice=True)
        closed(market, listing, days=days, outcome=CaseOutcome.ACTION, decision_id=decision.id)
    closed(market, nothing, days=8, outcome=CaseOutcome.NO_ACTION, reasons="Rien à redire.")
    market.case(market.offer())

    found = sheet().notices

    assert (found.action_by_law, found.action_by_charter, found.no_action) == (1, 1, 1)
    assert found.cases_opened == 4
    assert found.median_seconds == timedelta(days=3).total_seconds()


def test_restrictions_are_counted_by_type_ground_and_how_they_came_to_be_seen(market):
    market.rejection(market.need(), ground=G.COMMERCIAL, automated_flags=["price"])
    market.rejection(market.need(), ground=G.COMMERCIAL, automated_flags=["link", "price"])
    market.rejection(market.need(), action=A.REQUEST_CHANGES, ground=G.UNCLEAR)
    market.rejection(
        market.need(), action=A.REMOVE, ground=G.ILLEGAL, automated_flags=["x"], follows_notice=True
    )
    market.suspension(market.organisation())
    market.rejection(market.need(), action=A.APPROVE, ground=None, facts="")

    found = sheet().restrictions

    assert dict(found.counts) == {
        (A.REJECT, G.COMMERCIAL, D.AUTOMATED): 2,
        (A.REQUEST_CHANGES, G.UNCLEAR, D.PERSON): 1,
        (A.REMOVE, G.ILLEGAL, D.NOTICE): 1,
        (A.SUSPEND, G.REPEATED, D.PERSON): 1,
    }
    assert (found.total(), found.total(action=A.REJECT), found.total(ground=G.ILLEGAL)) == (5, 2, 1)
    assert found.total(action=A.SUSPEND, detection=D.PERSON) == 1


def test_appeals_are_counted_by_what_they_contest_and_how_they_ended(market):
    upheld = market.appeal(market.rejection(market.need()))
    fell = market.appeal(market.rejection(market.need()))
    market.appeal(market.suspension(market.organisation()))
    for appeal, outcome, days in ((upheld, AppealOutcome.UPHELD, 2), (fell, AppealOutcome.REVERSED, 5)):
        appeal.decided_at = appeal.created_at + timedelta(days=days)
        appeal.outcome, appeal.reasons = outcome, "Voici pourquoi."
        db.session.commit()

    found = sheet().complaints

    assert found.received == {AppealBasis.REJECT: 2, AppealBasis.SUSPEND: 1}
    assert (found.upheld[AppealBasis.REJECT], found.reversed[AppealBasis.REJECT]) == (1, 1)
    assert found.reversed[AppealBasis.SUSPEND] == 0
    assert found.median_seconds == timedelta(days=3.5).total_seconds()


def test_an_appeal_for_a_report_that_led_to_nothing_has_its_own_line(market):
    case = closed(market, market.offer(), days=1, outcome=CaseOutcome.NO_ACTION, reasons="Rien.")
    appeal = market.appeal(market.rejection(market.need()))
    appeal.decision_id, appeal.report_id = None, market.report_of(case).id
    db.session.commit()

    assert sheet().complaints.received == {AppealBasis.NO_ACTION: 1}


def test_the_check_errs_where_a_person_publishes_what_it_flagged(market):
    market.rejection(
        market.need(), action=A.APPROVE, ground=None, facts="", automated_flags=["price", "link"]
    )
    market.rejection(market.need(), automated_flags=["price"])
    market.rejection(market.need(), action=A.REQUEST_CHANGES, automated_flags=["price"])
    market.rejection(
        market.need(), action=A.REMOVE, automated_flags=["price"]
    )  # was online: no text that waited
    market.rejection(market.need(), action=A.APPROVE, ground=None, facts="")

    found = sheet()

    assert found.flags == {"link": FlagFigures(1, 1), "price": FlagFigures(3, 1)}
    assert (found.flagged, found.flagged.error_rate) == (FlagFigures(3, 1), pytest.approx(1 / 3))


def test_a_territory_tells_its_own_and_the_nation_tells_all(market):
    market.rejection(market.need())
    market.rejection(market.need(organisation=market.organisation(commune=LIFFRE)))
    market.rejection(market.need(organisation=market.organisation(commune=PARIS_COMMUNE)))

    assert sheet().restrictions.total() == 1
    assert sheet(LIFFRE_CORMIER).restrictions.total() == 1
    assert sheet(None).restrictions.total() == 3
    assert sheet(None).territory is None


@pytest.mark.parametrize(
    ("at", "year"),
    [
        (datetime(2025, 12, 31, 23, 59, 59, tzinfo=PARIS), 2025),
        (datetime(2026, 1, 1, tzinfo=PARIS), 2026),
    ],
)
def test_a_year_begins_at_midnight_in_paris(market, at, year):
    market.rejection(market.need(), decided_at=at)

    told = {each: sheet(year=each).restrictions.total() for each in (2025, 2026)}

    assert told == {2025: int(year == 2025), 2026: int(year == 2026)}


@pytest.mark.parametrize("year", [0, 1, 2023, 2027, 9999, 2**31 - 1])
def test_a_year_that_has_no_numbers_is_not_found(app, year):
    with pytest.raises(NotFound):
        sheet(year=year)


def test_an_unknown_territory_is_not_found(app):
    with pytest.raises(NotFound):
        sheet("000000000")


def test_a_report_asks_the_same_number_of_questions_whatever_it_counts(market):
    with counted() as few:
        sheet(None)
    for _ in range(5):
        market.appeal(market.rejection(market.need()))
        market.case(market.offer())

    with counted() as many:
        sheet(None)

    assert int(many) == int(few)
