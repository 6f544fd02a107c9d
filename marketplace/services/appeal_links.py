"""The signed links by which people contest a decision, or that their report led to nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from marketplace.models import ModerationDecision, Report
from marketplace.services import tokens
from marketplace.services.errors import TokenExpired

# Six months (regulation (EU) 2022/2065, art. 20(1)): six calendar months are never longer.
WITHIN = timedelta(days=184)
_CONTEST = "contest"
# A link outlives its deadline, so that its page can say which day it was.
_MAX_AGE = 3650 * tokens.DAY


@dataclass(frozen=True, slots=True)
class Contestable:
    """What a link is about: a decision, or somebody's report, by its id."""

    kind: Literal["decision", "report"]
    id: int


def for_decision(decision: ModerationDecision) -> str:
    """Return the token of appeals.new for a decision."""
    return tokens.sign(_CONTEST, "decision", decision.id)


def for_report(report: Report) -> str:
    """Return the token of appeals.new for a report."""
    return tokens.sign(_CONTEST, "report", report.id)


def read(token: str) -> Contestable:
    """Return what the link is about. Raises TokenExpired when forged or cut."""
    match tokens.read(_CONTEST, token, max_age=_MAX_AGE):
        case ["decision", key]:
            return Contestable("decision", int(key))
        case ["report", key]:
            return Contestable("report", int(key))
    raise TokenExpired(_CONTEST)


def deadline(told_at: datetime) -> datetime:
    """Return until when what was told at that instant can be contested."""
    return told_at + WITHIN
