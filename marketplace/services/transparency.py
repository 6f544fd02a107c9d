"""What moderation did in a year, on a territory or in the whole nation, in numbers that anybody may read.

Regulation (EU) 2022/2065, art. 15(1) (b) notices, (c) own initiative, (d) complaints, (e) automated means;
art. 24(1)(b) suspensions. A year is one of Europe/Paris. Counted from the rows each time.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import median
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, String, and_, cast, func, select, true
from sqlalchemy.orm import InstrumentedAttribute

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Appeal,
    AppealOutcome,
    CaseOutcome,
    DecisionAction,
    DecisionGround,
    ModerationDecision,
    Report,
    ReportCase,
    ReportCategory,
    Territory,
)
from marketplace.models.moderation import FAVOURABLE
from marketplace.services import territories
from marketplace.services.errors import NotFound

PARIS = ZoneInfo("Europe/Paris")
# Before the site, and the regulation.
FIRST_YEAR = 2024
# Decisions on a text that waited: what tells whether its flags were right.
_READ = (DecisionAction.APPROVE, DecisionAction.REQUEST_CHANGES, DecisionAction.REJECT)


class Detection(StrEnum):
    """How what was restricted came to be seen."""

    NOTICE = "notice"
    AUTOMATED = "automated"  # flagged by a pre-check, decided by a person
    PERSON = "person"


class AppealBasis(StrEnum):
    """What an appeal contests: a decision, or that a report led to nothing."""

    REQUEST_CHANGES = "request_changes"
    REJECT = "reject"
    REMOVE = "remove"
    SUSPEND = "suspend"
    NO_ACTION = "no_action"


@dataclass(frozen=True, slots=True)
class Notices:
    """Reports received, by category; what their cases closed in the year led to, and how long that took."""

    by_category: Mapping[ReportCategory, int]
    cases_opened: int
    no_action: int
    action_by_law: int
    action_by_charter: int
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Adverse decisions, counted by what they did, on which ground, and how it came to be seen."""

    counts: Mapping[tuple[DecisionAction, DecisionGround, Detection], int]

    def total(
        self,
        *,
        action: DecisionAction | None = None,
        ground: DecisionGround | None = None,
        detection: Detection | None = None,
    ) -> int:
        wanted = (action, ground, detection)
        return sum(
            count
            for key, count in self.counts.items()
            if all(want is None or want is has for want, has in zip(wanted, key, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Complaints:
    """Appeals received and decided in the year, by what they contest; the median time, in seconds."""

    received: Mapping[AppealBasis, int]
    upheld: Mapping[AppealBasis, int]
    reversed: Mapping[AppealBasis, int]
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class FlagFigures:
    """Listings that a pre-check flagged and a person read: `approved` as they stood, the check was wrong."""

    read: int
    approved: int

    @property
    def error_rate(self) -> float | None:
        return self.approved / self.read if self.read else None


@dataclass(frozen=True, slots=True)
class Sheet:
    """`territory` None: the whole nation. `flagged`: all listings with a flag; `flags`: by flag."""

    territory: Territory | None
    year: int
    is_over: bool
    counted_at: datetime
    notices: Notices
    restrictions: Restrictions
    complaints: Complaints
    flagged: FlagFigures
    flags: Mapping[str, FlagFigures]


@dataclass(frozen=True, slots=True)
class _Scope:
    siren: str | None
    start: datetime
    end: datetime

    def __call__(
        self, territory: InstrumentedAttribute[str | None], at: InstrumentedAttribute[datetime | None]
    ) -> ColumnElement[bool]:
        """Return the condition that keeps what happened (`at`) in the year, on the territory."""
        here = true() if self.siren is None else territory == self.siren
        return and_(here, at >= self.start, at < self.end)


def sheet(siren: str | None, year: int) -> Sheet:
    """Return the numbers of a year. Raises NotFound for no such territory, or a year without any yet."""
    territory = territories.get(siren) if siren is not None else None
    if not FIRST_YEAR <= year <= this_year():
        raise NotFound(f"year {year}")
    scope = _Scope(siren, datetime(year, 1, 1, tzinfo=PARIS), datetime(year + 1, 1, 1, tzinfo=PARIS))
    restrictions, flagged, flags = _decisions(scope)
    return Sheet(
        territory=territory,
        year=year,
        is_over=year < this_year(),
        counted_at=clock.now(),
        notices=_notices(scope),
        restrictions=restrictions,
        complaints=_complaints(scope),
        flagged=flagged,
        flags=flags,
    )


def this_year() -> int:
    return clock.now().astimezone(PARIS).year


def _notices(scope: _Scope) -> Notices:
    received = (
        select(Report.category, func.count())
        .join(Report.case)
        .where(scope(ReportCase.territory_siren, Report.created_at))
        .group_by(Report.category)
    )
    closed = db.session.execute(
        select(ReportCase.opened_at, ReportCase.closed_at, ReportCase.outcome, ModerationDecision.ground)
        .outerjoin(ModerationDecision, ModerationDecision.id == ReportCase.decision_id)
        .where(scope(ReportCase.territory_siren, ReportCase.closed_at))
    ).all()
    acted = [case.ground for case in closed if case.outcome is CaseOutcome.ACTION]
    by_law = acted.count(DecisionGround.ILLEGAL)
    opened = select(func.count(ReportCase.id)).where(scope(ReportCase.territory_siren, ReportCase.opened_at))
    return Notices(
        by_category={category: count for category, count in db.session.execute(received)},
        cases_opened=db.session.scalar(opened) or 0,
        no_action=len(closed) - len(acted),
        action_by_law=by_law,
        action_by_charter=len(acted) - by_law,
        median_seconds=_median((case.opened_at, case.closed_at) for case in closed),
    )


def _decisions(scope: _Scope) -> tuple[Restrictions, FlagFigures, dict[str, FlagFigures]]:
    """Count the decisions in one pass over their kinds: restrictions, and what the flags were worth."""
    flags_said = cast(ModerationDecision.automated_flags, String)
    kinds = select(
        ModerationDecision.action,
        ModerationDecision.ground,
        ModerationDecision.follows_notice,
        flags_said.label("flags"),
        func.count().label("number"),
    ).where(scope(ModerationDecision.territory_siren, ModerationDecision.decided_at))
    kinds = kinds.group_by(
        ModerationDecision.action, ModerationDecision.ground, ModerationDecision.follows_notice, flags_said
    )
    restricted: Counter[tuple[DecisionAction, DecisionGround, Detection]] = Counter()
    read: Counter[str] = Counter()
    approved: Counter[str] = Counter()
    for row in db.session.execute(kinds):
        flags = json.loads(row.flags)
        if row.action not in FAVOURABLE:
            restricted[row.action, row.ground, _detection(row.follows_notice, flags)] += row.number
        if flags and row.action in _READ:
            for name in (*flags, ""):  # "": whichever they are
                read[name] += row.number
                approved[name] += row.number if row.action is DecisionAction.APPROVE else 0
    figures = {name: FlagFigures(count, approved[name]) for name, count in sorted(read.items())}
    return Restrictions(restricted), figures.pop("", FlagFigures(0, 0)), figures


def _detection(follows_notice: bool, flags: list[str]) -> Detection:
    if follows_notice:
        return Detection.NOTICE
    return Detection.AUTOMATED if flags else Detection.PERSON


def _complaints(scope: _Scope) -> Complaints:
    counted = (
        select(ModerationDecision.action, Appeal.outcome, func.count().label("number"))
        .select_from(Appeal)
        .outerjoin(ModerationDecision, ModerationDecision.id == Appeal.decision_id)
        .group_by(ModerationDecision.action, Appeal.outcome)
    )
    in_year = scope(Appeal.territory_siren, Appeal.decided_at)
    received: Counter[AppealBasis] = Counter()
    for row in db.session.execute(counted.where(scope(Appeal.territory_siren, Appeal.created_at))):
        received[_basis(row.action)] += row.number
    decided = {
        (row.outcome, _basis(row.action)): row.number for row in db.session.execute(counted.where(in_year))
    }
    spans = db.session.execute(select(Appeal.created_at, Appeal.decided_at).where(in_year))
    return Complaints(
        received=received,
        upheld={basis: decided.get((AppealOutcome.UPHELD, basis), 0) for basis in AppealBasis},
        reversed={basis: decided.get((AppealOutcome.REVERSED, basis), 0) for basis in AppealBasis},
        median_seconds=_median((row.created_at, row.decided_at) for row in spans),
    )


def _basis(action: DecisionAction | None) -> AppealBasis:
    return AppealBasis(action) if action is not None else AppealBasis.NO_ACTION


def _median(spans: Iterable[tuple[datetime, datetime]]) -> float | None:
    seconds = [(end - start).total_seconds() for start, end in spans]
    return median(seconds) if seconds else None
