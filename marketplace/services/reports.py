"""Reports: anybody points at a listing, a structure or a message; a moderator answers each person who did.

All reports on one subject are one open case. Regulation (EU) 2022/2065, art. 16: a receipt at once, the
outcome with the ways to contest it, decided by a person. Whoever is reported is never told by whom.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, joinedload, selectinload
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.base import ExecutableOption

from marketplace.extensions import db
from marketplace.models import (
    CaseOutcome,
    DecisionAction,
    Listing,
    Match,
    ModerationDecision,
    Organisation,
    Report,
    ReportCase,
    ReportCategory,
    Territory,
    User,
)
from marketplace.models.moderation import FAVOURABLE
from marketplace.services import listings, matches, moderation, report_cases, rights, throttle, tokens
from marketplace.services.errors import AlreadyDecided, FieldError, InvalidTransition, NotAllowed, NotFound
from marketplace.services.listings import SHOWN
from marketplace.services.paging import Page, page_of
from marketplace.services.report_cases import SubjectKind, kind_of
from marketplace.services.statements import Reasons, Statement
from marketplace.services.work import Work, unit_of_work

QUEUE_PAGE = 20
SHOWN_MAX = 50
TERRITORIES_MAX = 200
# Enough for somebody who comes upon a bad week, too few for somebody who floods the desk.
REPORTS_AN_HOUR_FROM_ONE_PLACE = 10
REPORTS_A_DAY_FROM_ONE_PERSON = 20
# What a list of cases shows, in a fixed number of queries.
LISTED: tuple[ExecutableOption, ...] = (
    joinedload(ReportCase.territory),
    joinedload(ReportCase.closed_by),
    selectinload(ReportCase.reports).load_only(Report.case_id, Report.category),
)
ALREADY_REPORTED = "Vous l’avez déjà signalé : la modération l’examine, sa réponse viendra par mail."


@dataclass(frozen=True, slots=True)
class Subject:
    """What is reported: a listing, a structure, or the message of a match (its id is the match's)."""

    kind: SubjectKind
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What somebody says. `name` and `email` count for visitors only: others are known by their account."""

    category: ReportCategory
    explanation: str
    in_good_faith: bool
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a moderator does about a subject, with the reasons; `version`: of the listing that was read."""

    action: DecisionAction
    reasons: Reasons
    version: str = ""


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as its moderator reads it. `organisation`: who wrote, or is, what is reported.

    `actions`: what can be done about it now; none once its author took it back.
    """

    case: ReportCase
    kind: SubjectKind
    organisation: Organisation
    listing: Listing | None
    version: str
    actions: Sequence[DecisionAction]
    reports: Sequence[Report]
    reports_in_all: int
    decisions: Sequence[ModerationDecision]


def find(subject: Subject, *, to: User | None) -> Listing | Organisation | Match:
    """Return what this person wants to report. Raises NotFound when they do not see it."""
    if subject.kind is SubjectKind.LISTING:
        return listings.show(subject.id, to=to)
    if subject.kind is SubjectKind.ORGANISATION:
        organisation = db.session.get(Organisation, subject.id)
        if organisation is None or organisation.suspended_at is not None:
            raise NotFound(f"organisation {subject.id}")
        return organisation
    if to is None:
        raise NotFound(f"match {subject.id}")
    match = matches.show(subject.id, to=to).match
    if not match.message or match.started_by_id == to.id:
        raise NotFound(f"message of match {subject.id}")
    return match


def report(subject: Subject, notice: Notice, *, by: User | None, address: str) -> Report:
    """Write a report, in the open case on its subject or a new one, and mail its receipt.

    `by` None: a visitor; `address`: where the request comes from. Raises NotFound, FieldError ("email": has
    reported it already; "in_good_faith", "name", "explanation"), TooManyAttempts.
    """
    _require_whole(notice, by)
    email = (by.email if by else notice.email).lower()
    throttle.count_attempt(
        f"report-from:{address}", limit=REPORTS_AN_HOUR_FROM_ONE_PLACE, seconds=tokens.HOUR
    )
    throttle.count_attempt(f"report-by:{email}", limit=REPORTS_A_DAY_FROM_ONE_PERSON, seconds=tokens.DAY)
    with unit_of_work() as work:
        case = _open_case(work, subject, to=by)
        same = select(Report.id).where(Report.case_id == case.id, Report.email == email)
        if work.session.scalar(same) is not None:
            raise FieldError("email", ALREADY_REPORTED)
        written = work.add(
            Report(
                case_id=case.id,
                category=notice.category,
                explanation=notice.explanation,
                name=by.name if by else notice.name,
                email=email,
                reporter_id=by.id if by else None,
            )
        )
        work.audit(
            "report.received",
            case,
            by=None,  # the log is read by people whom the report may be about
            territory=case.territory_siren,
            after={"report": written.id, "category": notice.category},
        )
        work.mail("report_received", to=written, report=written, case=case, kind=subject.kind)
    return written


def queue(*, by: User, territory: str | None = None, closed: bool = False, page: int) -> Page[ReportCase]:
    """Return one page of the cases that the person may decide, the oldest first (closed: the newest).

    Each with its subject, its territory and its reports loaded. Raises NotAllowed for no moderator.
    """
    if not rights.is_moderator(by):
        raise NotAllowed("not a moderator")
    query = select(ReportCase).where(_scope(by)).options(*LISTED)
    if territory:
        query = query.where(ReportCase.territory_siren == territory)
    if closed:
        query = query.where(ReportCase.closed_at.is_not(None)).order_by(
            ReportCase.closed_at.desc(), ReportCase.id.desc()
        )
    else:
        query = query.where(ReportCase.closed_at.is_(None)).order_by(ReportCase.opened_at, ReportCase.id)
    return page_of(query, number=page, size=QUEUE_PAGE)


def waiting(*, by: User) -> int:
    """Return how many open cases the person may decide."""
    query = select(func.count(ReportCase.id)).where(_scope(by), ReportCase.closed_at.is_(None))
    return db.session.scalar(query) or 0


def territories(*, by: User) -> Sequence[Territory]:
    """Return the territories whose cases the person may decide, where there are any."""
    sirens = select(ReportCase.territory_siren).where(_scope(by))
    query = select(Territory).where(Territory.siren.in_(sirens)).order_by(Territory.name)
    return db.session.scalars(query.limit(TERRITORIES_MAX)).all()


def read(case_id: int, *, by: User) -> CaseView:
    """Return a case with what its moderator needs. Raises NotFound outside their territories."""
    return view_of(_visible(case_id, by=by))


def view_of(case: ReportCase) -> CaseView:
    """Return the case with its subject, its reports and what was decided about the subject before."""
    author = db.session.get_one(
        Organisation, _author_of(case), options=[joinedload(Organisation.commune)], populate_existing=True
    )
    listing = db.session.scalar(select(Listing).where(Listing.id == case.listing_id).options(*SHOWN))
    reports = select(Report).where(Report.case_id == case.id)
    return CaseView(
        case=case,
        kind=kind_of(case),
        organisation=author,
        listing=listing,
        version=moderation.version_of(listing) if listing else "",
        actions=_actions(listing, author),
        reports=db.session.scalars(reports.order_by(Report.id).limit(SHOWN_MAX)).all(),
        reports_in_all=db.session.scalar(select(func.count()).select_from(reports.subquery())) or 0,
        decisions=_decisions(case, author),
    )


def dismiss(case_id: int, *, by: User, reasons: str) -> ReportCase:
    """Close a case without doing anything; tell those who reported why, and how to contest it.

    Raises NotFound outside one's territories, AlreadyDecided, FieldError("reasons").
    """
    if not reasons.strip():
        raise FieldError("reasons", "Dites pourquoi vous ne faites rien : qui a signalé le lira.")
    with unit_of_work() as work:
        case = work.lock(ReportCase, _visible(case_id, by=by).id)
        _require_open(case)
        report_cases.close(work, case, by=by, reasons=reasons)
    return case


def act(case_id: int, measure: Measure, *, by: User) -> ReportCase:
    """Decide against what is reported, close its case and tell those who reported, all or nothing.

    Raises NotFound outside one's territories, AlreadyDecided, and what the decision raises
    (services.moderation.decide, suspend).
    """
    with unit_of_work() as work:
        _require_open(_visible(case_id, by=by))
        return _settle(work, case_id, measure, by=by)


def preview(case_id: int, measure: Measure, *, by: User) -> Statement:
    """Return the statement that the measure would send now. Raises what it would raise; writes nothing."""
    case = _visible(case_id, by=by)
    if case.listing_id is None:
        return moderation.preview_suspension(_author_of(case), by=by, reasons=measure.reasons)
    return moderation.preview(
        case.listing_id, measure.action, by=by, version=measure.version, reasons=measure.reasons
    )


def overturn(case_id: int, measure: Measure, *, by: User) -> ReportCase:
    """Decide against what was reported in vain, and tell all who reported it: an appeal was right.

    Inside the unit of work of services.appeals, which knows who may. Raises as act() does, and
    InvalidTransition unless the case led to nothing.
    """
    with unit_of_work() as work:
        case = work.lock(ReportCase, _visible(case_id, by=by).id)
        if case.outcome is not CaseOutcome.NO_ACTION:
            raise InvalidTransition(f"case {case_id}", case.outcome or "open", CaseOutcome.ACTION)
        decision = _decide(case, measure, by=by)
        report_cases.close(work, case, by=by, decision=decision)
    return case


def _require_whole(notice: Notice, by: User | None) -> None:
    if not notice.in_good_faith:
        raise FieldError("in_good_faith", "Cochez cette case : la loi le demande.")
    if not notice.explanation.strip():
        raise FieldError("explanation", "Dites ce qui ne va pas, et où.")
    if by is None and not notice.email:
        raise FieldError("email", "Donnez une adresse : la réponse y sera envoyée.")


def _open_case(work: Work, subject: Subject, *, to: User | None) -> ReportCase:
    """Return the open case on the subject, opened now if there is none. Two who report at once wait here."""
    seen = find(subject, to=to)
    row = work.lock(type(seen), seen.id)
    case = work.session.scalar(
        select(ReportCase)
        .where(_column(subject.kind) == subject.id, ReportCase.closed_at.is_(None))
        .with_for_update()
    )
    return case or work.add(_new_case(row))


def _column(kind: SubjectKind) -> InstrumentedAttribute[int | None]:
    return {
        SubjectKind.LISTING: ReportCase.listing_id,
        SubjectKind.ORGANISATION: ReportCase.organisation_id,
        SubjectKind.MESSAGE: ReportCase.match_id,
    }[kind]


def _new_case(subject: Listing | Organisation | Match) -> ReportCase:
    if isinstance(subject, Listing):
        return ReportCase(
            listing_id=subject.id,
            territory_siren=subject.territory_siren,
            snapshot={"title": subject.title, "text": subject.description},
        )
    if isinstance(subject, Organisation):
        return ReportCase(
            organisation_id=subject.id,
            territory_siren=moderation.territory_of(subject),
            snapshot={"title": subject.name},
        )
    sender = db.session.get_one(Organisation, sender_of(subject))
    return ReportCase(
        match_id=subject.id,
        territory_siren=moderation.territory_of(sender),
        snapshot={"title": sender.name, "text": subject.message},
    )


def sender_of(match: Match) -> int:
    """Return the structure whose message the match carries: the one that asked, so accepted first."""
    asked, answered = match.need_accepted_at, match.offer_accepted_at
    from_need = asked is not None and (answered is None or asked <= answered)
    return match.need_organisation_id if from_need else match.offer_organisation_id


def _visible(case_id: int, *, by: User) -> ReportCase:
    """Return the case. Raises NotFound elsewhere, and to who speaks for the firm it is about."""
    case = db.session.scalar(select(ReportCase).where(ReportCase.id == case_id, _scope(by)).options(*LISTED))
    if case is None:
        raise NotFound(f"case {case_id}")
    rights.require_confirmed(by)
    return case


def _scope(by: User) -> ColumnElement[bool]:
    """Return the condition that keeps the cases of the person's territories, but for those on their firms."""
    return and_(
        rights.moderated_in(ReportCase.territory_siren, by),
        ReportCase.id.not_in(report_cases.about_firms(rights.organisation_ids(by))),
    )


def _author_of(case: ReportCase) -> int:
    if case.organisation_id is not None:
        return case.organisation_id
    if case.listing_id is not None:
        return db.session.get_one(Listing, case.listing_id).organisation_id
    return sender_of(db.session.get_one(Match, case.match_id))


def _actions(listing: Listing | None, author: Organisation) -> Sequence[DecisionAction]:
    if listing is None:
        return () if author.suspended_at is not None else (DecisionAction.SUSPEND,)
    moves = moderation.MOVES.items()
    return [a for a, (sources, _) in moves if listing.state in sources and a not in FAVOURABLE]


def _decisions(case: ReportCase, author: Organisation) -> Sequence[ModerationDecision]:
    about = [ModerationDecision.organisation_id == author.id]
    if case.listing_id is not None:
        about.append(ModerationDecision.listing_id == case.listing_id)
    query = select(ModerationDecision).where(or_(*about)).order_by(ModerationDecision.id.desc())
    return db.session.scalars(query.limit(SHOWN_MAX).options(joinedload(ModerationDecision.moderator))).all()


def _settle(work: Work, case_id: int, measure: Measure, *, by: User) -> ReportCase:
    """Decide; the decision closes the case of its subject, but that of a message is closed here."""
    case = work.session.get_one(ReportCase, case_id)
    decision = _decide(case, measure, by=by)
    work.lock(ReportCase, case_id)
    if case.outcome is None:
        report_cases.close(work, case, by=by, decision=decision)
    elif case.decision_id != decision.id:
        raise AlreadyDecided(case.outcome)
    return case


def _decide(case: ReportCase, measure: Measure, *, by: User) -> ModerationDecision:
    reasons = measure.reasons
    told: dict[str, Any] = {
        "by": by,
        "ground": reasons.ground,
        "facts": reasons.facts,
        "explanation": reasons.explanation,
    }
    if case.listing_id is not None:
        return moderation.decide(case.listing_id, measure.action, version=measure.version, **told)
    return moderation.suspend(_author_of(case), follows_notice=True, **told)


def _require_open(case: ReportCase) -> None:
    if case.outcome is not None:
        raise AlreadyDecided(case.outcome)
