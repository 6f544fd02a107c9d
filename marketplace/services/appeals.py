"""Appeals: who was decided against, or reported in vain, asks for another look; another person gives it.

Regulation (EU) 2022/2065, art. 20: for six months, free of charge, never decided by who decided first, and
the outcome comes with its reasons and the other ways to contest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import joinedload
from sqlalchemy.sql.base import ExecutableOption

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Appeal,
    AppealOutcome,
    CaseOutcome,
    Listing,
    ModerationDecision,
    Report,
    Territory,
    TerritoryRole,
    User,
)
from marketplace.services import (
    appeal_links,
    listings,
    moderation,
    report_cases,
    reports,
    rights,
    throttle,
    tokens,
)
from marketplace.services.appeal_links import Contestable
from marketplace.services.errors import (
    AlreadyDecided,
    FieldError,
    InvalidTransition,
    NotAllowed,
    NotFound,
    TokenExpired,
)
from marketplace.services.organisations import speakers
from marketplace.services.paging import Page, page_of
from marketplace.services.reports import CaseView, Measure
from marketplace.services.statements import Statement
from marketplace.services.work import Work, unit_of_work

QUEUE_PAGE = 20
# More people than moderate a territory.
TOLD_MAX = 20
# How soon an answer is promised. The law says « without undue delay ».
ANSWER_WITHIN = timedelta(days=15)
APPEALS_AN_HOUR_FROM_ONE_PLACE = 20

# What a list of appeals shows, in a fixed number of queries.
_LISTED: tuple[ExecutableOption, ...] = (
    joinedload(Appeal.territory),
    joinedload(Appeal.decided_by),
    joinedload(Appeal.decision).joinedload(ModerationDecision.listing),
    joinedload(Appeal.decision).joinedload(ModerationDecision.organisation),
    joinedload(Appeal.decision).joinedload(ModerationDecision.moderator),
    joinedload(Appeal.report).joinedload(Report.case),
)


@dataclass(frozen=True, slots=True)
class Contested:
    """What is contested, until when, and the appeal once there is one."""

    subject: ModerationDecision | Report
    deadline: datetime
    appeal: Appeal | None

    @property
    def decision(self) -> ModerationDecision | None:
        return self.subject if isinstance(self.subject, ModerationDecision) else None

    @property
    def report(self) -> Report | None:
        return self.subject if isinstance(self.subject, Report) else None

    @property
    def is_late(self) -> bool:
        return clock.now() > self.deadline


@dataclass(frozen=True, slots=True)
class AppealView:
    """An appeal as its moderator reads it: against a decision, or for a report whose case led to nothing.

    `may_decide`: neither decided first nor appeals themselves.
    """

    appeal: Appeal
    decision: ModerationDecision | None
    case: CaseView | None
    listing: Listing | None
    may_decide: bool


class TooLate(TokenExpired):
    """The six months are over. `deadline`: when they were."""

    def __init__(self, deadline: datetime) -> None:
        super().__init__(f"until {deadline}")
        self.deadline = deadline


def read_link(token: str) -> Contested:
    """Return what the link contests. Raises TokenExpired when it is forged or there is nothing to contest."""
    about = appeal_links.read(token)
    return _of_decision(about.id) if about.kind == "decision" else _of_report(about.id)


def file(token: str, *, text: str, address: str) -> Appeal:
    """Write the appeal, mail its receipt, and tell those who may answer.

    `address`: where the request comes from. Raises TokenExpired, TooLate, TooManyAttempts, FieldError("text":
    empty, or there is an appeal already).
    """
    if not text.strip():
        raise FieldError("text", "Dites pourquoi vous n’êtes pas d’accord.")
    throttle.count_attempt(
        f"appeal-from:{address}", limit=APPEALS_AN_HOUR_FROM_ONE_PLACE, seconds=tokens.HOUR
    )
    with unit_of_work() as work:
        _lock(work, appeal_links.read(token))
        contested = read_link(token)
        if contested.appeal is not None:
            raise FieldError("text", "Votre recours est déjà enregistré : une personne l’examine.")
        if contested.is_late:
            raise TooLate(contested.deadline)
        appeal = work.add(_new(contested, text))
        work.audit(
            "appeal.received",
            appeal,
            by=None,  # whoever holds the link
            territory=appeal.territory_siren,
            after={"decision": appeal.decision_id, "report": appeal.report_id},
        )
        _tell(work, "appeal_received", appeal, contested)
        told = {"appeal": appeal, "decision": contested.decision, "report": contested.report}
        work.mail("appeal_to_answer", to=_answerers(appeal), **told)
    return appeal


def token_for_listing(listing_id: int, *, by: User) -> str:
    """Return the token that contests what was last decided against one's own listing. Raises NotFound."""
    listing = listings.own(listing_id, by=by)
    decision = listings.decision_on(listing)
    if decision is None or not decision.is_adverse:
        raise NotFound(f"decision on listing {listing_id}")
    return appeal_links.for_decision(decision)


def token_for_organisation(organisation_id: int, *, by: User) -> str:
    """Return the token that contests the suspension of one's own structure. Raises NotFound."""
    if not rights.speaks_for(by, organisation_id):
        raise NotFound(f"organisation {organisation_id}")
    latest = select(ModerationDecision).where(ModerationDecision.organisation_id == organisation_id)
    decision = db.session.scalar(latest.order_by(ModerationDecision.id.desc()).limit(1))
    if decision is None or not decision.is_adverse:
        raise NotFound(f"decision on organisation {organisation_id}")
    return appeal_links.for_decision(decision)


def queue(*, by: User, territory: str | None = None, decided: bool = False, page: int) -> Page[Appeal]:
    """Return one page of the appeals that the person may decide, the oldest first (decided: the newest).

    Those against what they decided themselves are not for them. Raises NotAllowed for no moderator.
    """
    if not rights.is_moderator(by):
        raise NotAllowed("not a moderator")
    query = select(Appeal).where(_scope(by), _not_party(by)).options(*_LISTED)
    if territory:
        query = query.where(Appeal.territory_siren == territory)
    if decided:
        query = query.where(Appeal.decided_at.is_not(None)).order_by(
            Appeal.decided_at.desc(), Appeal.id.desc()
        )
    else:
        query = query.where(Appeal.decided_at.is_(None)).order_by(Appeal.created_at, Appeal.id)
    return page_of(query, number=page, size=QUEUE_PAGE)


def waiting(*, by: User) -> int:
    """Return how many appeals wait for an answer that the person may give."""
    query = select(func.count(Appeal.id)).where(_scope(by), _not_party(by), Appeal.decided_at.is_(None))
    return db.session.scalar(query) or 0


def territories(*, by: User) -> Sequence[Territory]:
    """Return the territories whose appeals the person may decide, where there are any."""
    sirens = select(Appeal.territory_siren).where(_scope(by), _not_party(by))
    query = select(Territory).where(Territory.siren.in_(sirens)).order_by(Territory.name)
    return db.session.scalars(query.limit(reports.TERRITORIES_MAX)).all()


def read(appeal_id: int, *, by: User) -> AppealView:
    """Return an appeal with what is contested. Raises NotFound outside the person's territories."""
    appeal = _visible(appeal_id, by=by)
    decision = appeal.decision
    return AppealView(
        appeal=appeal,
        decision=decision,
        case=reports.read(appeal.report.case_id, by=by) if appeal.report else None,
        listing=_whole(decision.listing_id) if decision else None,
        may_decide=not _is_party(appeal, by),
    )


def decide(
    appeal_id: int, outcome: AppealOutcome, *, by: User, reasons: str, measure: Measure | None = None
) -> Appeal:
    """Answer an appeal. Reversed: what was decided is taken back, or `measure` is taken on what was reported.

    Raises NotFound outside one's territories, NotAllowed for who decided first or reported, AlreadyDecided,
    FieldError("reasons" or "action" missing), and what the measure raises.
    """
    if not reasons.strip():
        raise FieldError("reasons", "Donnez vos raisons : la personne les lira.")
    with unit_of_work() as work:
        appeal = work.lock(Appeal, _visible(appeal_id, by=by).id)
        if _is_party(appeal, by):
            raise NotAllowed("another person answers")
        if appeal.outcome is not None:
            raise AlreadyDecided(appeal.outcome)
        if outcome is AppealOutcome.REVERSED:
            _reverse(appeal, by=by, reasons=reasons, measure=measure)
        appeal.outcome, appeal.reasons = outcome, reasons
        appeal.decided_at, appeal.decided_by_id = clock.now(), by.id
        work.audit(
            f"appeal.{outcome}",
            appeal,
            by=by,
            territory=appeal.territory_siren,
            after={"outcome": outcome},
            reason=reasons,
        )
        _tell(work, "appeal_decided", appeal, _contested(appeal))
    return appeal


def preview(appeal_id: int, measure: Measure, *, by: User) -> Statement:
    """Return the statement of a measure on what was reported in vain. Raises what it would raise."""
    appeal = _visible(appeal_id, by=by)
    if _is_party(appeal, by):
        raise NotAllowed("another person answers")
    if appeal.report is None:
        raise InvalidTransition(f"appeal {appeal_id}", "against a decision", measure.action)
    return reports.preview(appeal.report.case_id, measure, by=by)


def _reverse(appeal: Appeal, *, by: User, reasons: str, measure: Measure | None) -> None:
    if appeal.decision_id is not None:
        if _still_holds(db.session.get_one(ModerationDecision, appeal.decision_id)):
            moderation.restore(appeal.decision_id, by=by, reason=reasons)
        return
    report = db.session.get_one(Report, appeal.report_id)
    seen = reports.read(report.case_id, by=by)
    # Somebody else's appeal may have been right before, or the author has taken it back.
    if seen.case.outcome is CaseOutcome.ACTION or not seen.actions:
        return
    if measure is None:
        raise FieldError("action", "Dites ce que vous décidez.")
    reports.overturn(report.case_id, measure, by=by)


def _still_holds(decision: ModerationDecision) -> bool:
    """Say whether the decision is what keeps its subject away: its author may have changed the text since."""
    if decision.listing_id is not None:
        listing = db.session.get_one(Listing, decision.listing_id)
        past = moderation.history(listing_id=listing.id)
        found = moderation.to_take_back(past, listing.state)
        return found is not None and found.id == decision.id
    past = moderation.history(organisation_id=decision.organisation_id)
    return bool(past) and past[0].id == decision.id


def _contested(appeal: Appeal) -> Contested:
    if appeal.decision_id is not None:
        return _of_decision(appeal.decision_id)
    return _of_report(appeal.report_id or 0)


def _of_decision(decision_id: int) -> Contested:
    decision = db.session.scalar(
        select(ModerationDecision)
        .where(ModerationDecision.id == decision_id)
        .options(joinedload(ModerationDecision.listing), joinedload(ModerationDecision.organisation))
    )
    if decision is None or not decision.is_adverse:
        raise TokenExpired(f"decision {decision_id}")
    return Contested(
        subject=decision,
        deadline=appeal_links.deadline(decision.decided_at),
        appeal=db.session.scalar(select(Appeal).where(Appeal.decision_id == decision_id)),
    )


def _of_report(report_id: int) -> Contested:
    report = db.session.scalar(select(Report).where(Report.id == report_id).options(joinedload(Report.case)))
    appeal = db.session.scalar(select(Appeal).where(Appeal.report_id == report_id))
    if report is None or report.case.closed_at is None:
        raise TokenExpired(f"report {report_id}")
    if report.case.outcome is not CaseOutcome.NO_ACTION and appeal is None:
        raise TokenExpired(f"report {report_id}")
    return Contested(
        subject=report,
        deadline=appeal_links.deadline(report.case.closed_at),
        appeal=appeal,
    )


def _lock(work: Work, about: Contestable) -> None:
    """Make two who file at once wait for each other. Raises TokenExpired when it is gone."""
    try:
        work.lock(ModerationDecision if about.kind == "decision" else Report, about.id)
    except NotFound as gone:
        raise TokenExpired(f"{about.kind} {about.id}") from gone


def _new(contested: Contested, text: str) -> Appeal:
    subject = contested.subject
    about = (
        {
            "decision_id": subject.id,
            "territory_siren": subject.territory_siren,
            "first_decider_id": subject.moderator_id,
        }
        if isinstance(subject, ModerationDecision)
        else {
            "report_id": subject.id,
            "territory_siren": subject.case.territory_siren,
            "first_decider_id": subject.case.closed_by_id,
        }
    )
    return Appeal(text=text, due_at=clock.now() + ANSWER_WITHIN, **about)


def _tell(work: Work, template: str, appeal: Appeal, contested: Contested) -> None:
    subject = contested.subject
    told = {"appeal": appeal, "decision": contested.decision, "report": contested.report}
    if isinstance(subject, Report):
        work.mail(template, to=subject, token=appeal_links.for_report(subject), **told)
    else:
        work.mail(template, to=_concerned(subject), token=appeal_links.for_decision(subject), **told)


def _answerers(appeal: Appeal) -> list[User]:
    """Return the territory's moderators who may answer, or the national administrators where none may."""
    near = select(User).join(TerritoryRole).where(TerritoryRole.territory_siren == appeal.territory_siren)
    for query in (near, select(User).where(User.is_admin)):
        people = db.session.scalars(query.order_by(User.id).limit(TOLD_MAX)).all()
        may = [person for person in people if _may_answer(appeal, person)]
        if may:
            return may
    return []


def _may_answer(appeal: Appeal, person: User) -> bool:
    mine = select(Appeal.id).where(Appeal.id == appeal.id, _scope(person), _not_party(person))
    return db.session.scalar(mine) is not None


def _concerned(decision: ModerationDecision) -> list[User]:
    """Return who is told of what becomes of a decision."""
    if decision.listing is not None:
        return listings.contacts(decision.listing)
    return speakers(decision.organisation_id or 0)


def _whole(listing_id: int | None) -> Listing | None:
    return db.session.scalar(select(Listing).where(Listing.id == listing_id).options(*listings.SHOWN))


def _visible(appeal_id: int, *, by: User) -> Appeal:
    appeal = db.session.scalar(select(Appeal).where(Appeal.id == appeal_id, _scope(by)).options(*_LISTED))
    if appeal is None:
        raise NotFound(f"appeal {appeal_id}")
    rights.require_confirmed(by)
    return appeal


def _scope(by: User) -> ColumnElement[bool]:
    """Return the condition that keeps the appeals of the person's territories, but those of their firms."""
    mine = rights.organisation_ids(by)
    listings_of_mine = select(Listing.id).where(Listing.organisation_id.in_(mine))
    decisions_on_mine = select(ModerationDecision.id).where(
        or_(
            ModerationDecision.organisation_id.in_(mine),
            ModerationDecision.listing_id.in_(listings_of_mine),
        )
    )
    reports_on_mine = select(Report.id).where(Report.case_id.in_(report_cases.about_firms(mine)))
    return and_(
        rights.moderated_in(Appeal.territory_siren, by),
        func.coalesce(Appeal.decision_id, 0).not_in(decisions_on_mine),
        func.coalesce(Appeal.report_id, 0).not_in(reports_on_mine),
    )


def _not_party(by: User) -> ColumnElement[bool]:
    reported = select(Report.id).where(Report.reporter_id == by.id)
    return and_(
        func.coalesce(Appeal.first_decider_id, 0) != by.id,
        func.coalesce(Appeal.report_id, 0).not_in(reported),
    )


def _is_party(appeal: Appeal, by: User) -> bool:
    """Say whether the person decided first, or is the one who appeals."""
    report = db.session.get(Report, appeal.report_id) if appeal.report_id else None
    return appeal.first_decider_id == by.id or (report is not None and report.reporter_id == by.id)
