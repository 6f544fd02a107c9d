"""Cases of reports as the rest of the desk meets them: which are open, and closing one by a decision."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import CaseOutcome, Listing, Match, ModerationDecision, Report, ReportCase, User
from marketplace.services import appeal_links
from marketplace.services.work import Work


class SubjectKind(StrEnum):
    LISTING = "listing"
    ORGANISATION = "organisation"
    MESSAGE = "message"


def kind_of(case: ReportCase) -> SubjectKind:
    if case.listing_id is not None:
        return SubjectKind.LISTING
    return SubjectKind.ORGANISATION if case.organisation_id is not None else SubjectKind.MESSAGE


def is_reported() -> ColumnElement[bool]:
    """Return the condition that keeps the listings with an open case."""
    return exists().where(ReportCase.listing_id == Listing.id, ReportCase.closed_at.is_(None))


def open_case_ids(listing_ids: Collection[int]) -> dict[int, int]:
    """Return the open case of each of these listings that has one."""
    query = select(ReportCase.listing_id, ReportCase.id).where(
        ReportCase.listing_id.in_(listing_ids), ReportCase.closed_at.is_(None)
    )
    return {listing_id: case_id for listing_id, case_id in db.session.execute(query) if listing_id}


def about_firms(organisation_ids: Collection[int]) -> Select[int]:
    """Return the ids of the cases about these structures, their listings, or messages they sent or got."""
    listings = select(Listing.id).where(Listing.organisation_id.in_(organisation_ids))
    matches = select(Match.id).where(
        or_(
            Match.need_organisation_id.in_(organisation_ids),
            Match.offer_organisation_id.in_(organisation_ids),
        )
    )
    return select(ReportCase.id).where(
        or_(
            ReportCase.organisation_id.in_(organisation_ids),
            ReportCase.listing_id.in_(listings),
            ReportCase.match_id.in_(matches),
        )
    )


def settle(work: Work, decision: ModerationDecision, *, by: User) -> ReportCase | None:
    """Close the open case on what an adverse decision is about, and tell those who reported it.

    Inside the decision's unit of work, its subject locked. Returns the case, None where nobody had reported.
    """
    if not decision.is_adverse:
        return None
    about = (
        ReportCase.listing_id == decision.listing_id
        if decision.listing_id is not None
        else ReportCase.organisation_id == decision.organisation_id
    )
    case = work.session.scalar(
        select(ReportCase).where(about, ReportCase.closed_at.is_(None)).with_for_update()
    )
    if case is not None:
        close(work, case, by=by, decision=decision)
    return case


def close(
    work: Work, case: ReportCase, *, by: User, decision: ModerationDecision | None = None, reasons: str = ""
) -> None:
    """Close a locked case by a decision, or without one for the `reasons`; tell everybody who reported."""
    outcome = CaseOutcome.ACTION if decision else CaseOutcome.NO_ACTION
    case.outcome, case.closed_at, case.closed_by_id = outcome, clock.now(), by.id
    case.reasons, case.decision_id = reasons, decision.id if decision else None
    work.audit(
        f"report.{outcome}",
        case,
        by=by,
        territory=case.territory_siren,
        after={"outcome": outcome, "decision": case.decision_id},
        reason=reasons,
    )
    told: dict[str, Any] = {"case": case, "kind": kind_of(case), "decision": decision}
    told["deadline"] = appeal_links.deadline(case.closed_at)
    for each in work.session.scalars(select(Report).where(Report.case_id == case.id).order_by(Report.id)):
        work.mail("report_outcome", to=each, report=each, token=appeal_links.for_report(each), **told)
